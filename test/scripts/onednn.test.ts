import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { oneDnn } from "../../src/engine/onednn/ffi/library.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "espalier-set-up-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** What `script` prints as JSON, in a module of its own that has set-up's functions. */
async function inSetUp(script: string, environment: Readonly<Record<string, string>> = {}): Promise<unknown> {
  const source = `import * as setUp from "./scripts/onednn.mjs"; console.log(JSON.stringify(${script}));`;
  const { stdout } = await execa("node", ["--input-type=module", "--eval", source], { env: environment });
  return JSON.parse(stdout.split("\n").at(-1) ?? "");
}

describe("set-up of oneDNN", () => {
  it("finds the library that is there", async () => {
    const { version, file } = oneDnn();
    const found = await inSetUp("setUp.requireOneDnn()");
    expect(found).toEqual({ usable: true, summary: `oneDNN ${version}, ${file.path}` });
  });

  it("ends where ESPALIER_ONEDNN names what is none, and only there", async () => {
    const failing = inSetUp("setUp.requireOneDnn()", { ESPALIER_ONEDNN: join(folder, "nowhere.so") });
    await expect(failing).rejects.toThrow(
      /SetupError: ESPALIER_ONEDNN=\S+nowhere\.so: cannot be oneDNN .*no such file/,
    );
  });

  it("reads the dependencies that apt-cache prints, virtual packages aside", async () => {
    const text = [
      "libdnnl2",
      "  Depends: libc6",
      "  Depends: libgomp1",
      " |Depends: ocl-icd-libopencl1",
      "  Depends: <libopencl1>",
      "    ocl-icd-libopencl1",
      "  Recommends: other",
      "  Breaks: <libmkldnn1>",
    ].join("\n");
    expect(await inSetUp(`setUp.dependencies(${JSON.stringify(text)})`)).toEqual([
      "libc6",
      "libgomp1",
      "ocl-icd-libopencl1",
    ]);
  });
});
