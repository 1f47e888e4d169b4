import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ExecaError, execa } from "execa";
import { beforeEach, describe, expect, it } from "vitest";
import { cacheFolder } from "../../src/core/cache-folder.ts";
import { UserError } from "../../src/core/errors.ts";
import { type DataProgress, obtainCifar10 } from "../../src/data/cifar10-cache.ts";
import { npmError } from "../../src/data/cifar10-source.ts";
import { binaryOf, type FakeDescription, fakeSource, makeFake } from "./cifar10-fake.ts";
import { temporaryFolder, userError } from "./support.ts";

const place = "cifar-10-batches-bin";
const fake: FakeDescription = await makeFake(temporaryFolder());

/** The number of times that the tarball was fetched. */
async function fetches(): Promise<number> {
  return existsSync(fake.log) ? (await readFile(fake.log, "utf8")).split("\n").length - 1 : 0;
}

async function expectIntact(cache: string): Promise<void> {
  // Only the folder is left: no tarball, no temporary folder, no lock.
  expect(await readdir(cache)).toEqual([place]);
  expect((await readdir(join(cache, place))).sort()).toEqual(Object.keys(fake.sums).sort());
  for (const name of ["data_batch_1", "data_batch_5", "test_batch"]) {
    expect(new Uint8Array(await readFile(join(cache, place, `${name}.bin`)))).toEqual(binaryOf(name));
  }
}

beforeEach(() => rm(fake.log, { force: true }));

describe("obtainCifar10", () => {
  it("unpacks to the standard binary layout only once", async () => {
    const cache = join(temporaryFolder(), "not", "there", "yet");
    const phases: DataProgress["phase"][] = [];
    const options = { cache, source: fakeSource(fake), onProgress: ({ phase }: DataProgress) => phases.push(phase) };
    expect(await obtainCifar10(options)).toBe(join(cache, place));
    await expectIntact(cache);
    expect(phases).toEqual(["downloading", ...new Array(6).fill("unpacking"), "finished"]);
    expect(await obtainCifar10(options)).toBe(join(cache, place));
    expect(await fetches()).toBe(1);
    expect(phases).toHaveLength(8);
  });

  it.each([
    ["cut short", (bytes: Buffer) => bytes.subarray(1)],
    ["changed in one bit", (bytes: Buffer) => bytes.map((byte, at) => (at === 5000 ? byte ^ 1 : byte))],
  ])("replaces a cache with a file %s", async (_, damage) => {
    const cache = temporaryFolder();
    const options = { cache, source: fakeSource(fake) };
    const file = join(await obtainCifar10(options), "data_batch_5.bin");
    await writeFile(file, damage(await readFile(file)));
    await obtainCifar10(options);
    await expectIntact(cache);
    expect(await fetches()).toBe(2);
  });

  it("makes the second of two processes wait and use the result of the first", async () => {
    const cache = temporaryFolder();
    const file = join(temporaryFolder(), "source.json");
    await writeFile(file, JSON.stringify(fake));
    const script = fileURLToPath(new URL("./obtain-child.ts", import.meta.url));
    const start = () => execa("node", ["--import", "tsx", script, cache, file, "1500"], { timeout: 60_000 });
    const outputs = await Promise.all([start(), start(), start()]);
    for (const { stdout } of outputs) expect(stdout).toContain(`folder ${join(cache, place)}`);
    expect(outputs.filter(({ stdout }) => stdout.includes("downloading"))).toHaveLength(1);
    expect(outputs.filter(({ stdout }) => stdout.includes("waiting"))).toHaveLength(2);
    expect(await fetches()).toBe(1);
    await expectIntact(cache);
  });

  it("does the same for two calls in one process", async () => {
    const cache = temporaryFolder();
    const source = fakeSource(fake, 300);
    await Promise.all([obtainCifar10({ cache, source }), obtainCifar10({ cache, source })]);
    expect(await fetches()).toBe(1);
    await expectIntact(cache);
  });

  it("takes over the lock of a process that ended, and removes its temporary files", async () => {
    const cache = temporaryFolder();
    await mkdir(join(cache, `${place}.lock`));
    const longAgo = new Date(Date.now() - 60_000);
    await utimes(join(cache, `${place}.lock`), longAgo, longAgo);
    await mkdir(join(cache, "cifar-10.partial-killed", place), { recursive: true });
    await obtainCifar10({ cache, source: fakeSource(fake) });
    await expectIntact(cache);
  });

  it("uses the files that another process made meanwhile", async () => {
    const cache = temporaryFolder();
    const source = fakeSource(fake);
    const disturbed = {
      ...source,
      tarball: async (folder: string) => {
        const other = temporaryFolder();
        await obtainCifar10({ cache: other, source });
        await mkdir(join(cache, place));
        for (const name of await readdir(join(other, place))) {
          await writeFile(join(cache, place, name), await readFile(join(other, place, name)));
        }
        return source.tarball(folder);
      },
    };
    await obtainCifar10({ cache, source: disturbed });
    await expectIntact(cache);
  });

  it("refuses a tarball with a wrong checksum", async () => {
    const cache = temporaryFolder();
    const source = { ...fakeSource(fake), integrity: `sha512-${"A".repeat(86)}==` };
    const error = await userError(obtainCifar10({ cache, source }), "checksum");
    expect(error.details.expected).toBe(source.integrity);
    expect(error.details.received).toBe(fake.integrity);
    expect(await readdir(cache)).toEqual([]);
  });

  it("refuses images with a wrong checksum, and keeps no file of them", async () => {
    const cache = temporaryFolder();
    const source = { ...fakeSource(fake), sums: { ...fake.sums, "data_batch_3.bin": "0".repeat(64) } };
    const error = await userError(obtainCifar10({ cache, source }), "checksum");
    expect(error.message).toContain(`data_batch_3.bin: the checksum is wrong (expected sha256 000000`);
    expect(await readdir(cache)).toEqual([]);
  });

  it("names the space that is needed if there is too little", async () => {
    const cache = temporaryFolder();
    const source = { ...fakeSource(fake), tarballBytes: 1e18 };
    const error = await userError(obtainCifar10({ cache, source }), "no-disk-space");
    expect(error.message).toContain("expected 1000000000001 MB");
    expect(error.message).toContain("ESPALIER_CACHE");
    expect(await fetches()).toBe(0);
  });

  it("reports a full disk as one", async () => {
    const cache = temporaryFolder();
    const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    const source = { ...fakeSource(fake), tarball: () => Promise.reject(full) };
    await userError(obtainCifar10({ cache, source }), "no-disk-space");
    expect(await readdir(cache)).toEqual([]);
  });

  it("keeps a damaged cache if it cannot be replaced", async () => {
    const cache = temporaryFolder();
    const file = join(await obtainCifar10({ cache, source: fakeSource(fake) }), "test_batch.bin");
    await writeFile(file, "damaged");
    const offline = () => Promise.reject(new UserError("no-network", "no way out", { hint: "Try again" }));
    await userError(obtainCifar10({ cache, source: { ...fakeSource(fake), tarball: offline } }), "no-network");
    expect(await readFile(file, "utf8")).toBe("damaged");
  });

  it("reports a cache folder that cannot be used", async () => {
    const file = join(temporaryFolder(), "file");
    await writeFile(file, "");
    const error = await userError(
      obtainCifar10({ cache: join(file, "cache"), source: fakeSource(fake) }),
      "missing-file",
    );
    expect(error.message).toContain("Set ESPALIER_CACHE to a folder that can be written");
  });
});

describe("npmError", () => {
  /** The error of a process that wrote `stderr` and failed. */
  async function failed(stderr: string): Promise<unknown> {
    return execa("node", ["-e", `console.error(${JSON.stringify(stderr)}); process.exit(1)`]).catch((error) => error);
  }

  it.each([
    [
      "npm error code ENOTFOUND\nnpm error syscall getaddrinfo\n" +
        "npm error errno ENOTFOUND\nnpm error network request failed",
      "no-network",
      "ENOTFOUND, network request failed",
    ],
    ["npm error code E404\nnpm error 404 Not Found", "no-network", "E404, 404 Not Found"],
    ["", "no-network", "it gave no reason"],
    ["npm error code ENOSPC\nnpm error syscall write", "no-disk-space", "npm found no space"],
    ["npm error code EINTEGRITY\nnpm error sha512-x integrity checksum failed", "checksum", "npm received a damaged"],
  ])("understands %j", async (stderr, code, message) => {
    const error = npmError(await failed(stderr));
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
    if (code === "no-network") expect(error.message).toContain("--data cifar10:path/to/cifar-10-batches-bin");
  });

  it("distinguishes a missing npm and an interrupted one", async () => {
    const missing = await execa("no-such-program-here").catch((error) => error);
    expect(npmError(missing).code).toBe("missing-file");
    const interrupted = await execa("node", ["-e", "process.kill(process.pid, 'SIGINT')"]).catch((error) => error);
    expect(interrupted).toBeInstanceOf(ExecaError);
    expect(npmError(interrupted).code).toBe("interrupted");
  });
});

describe("cacheFolder", () => {
  it("is the user's, or the one of ESPALIER_CACHE", () => {
    const { ESPALIER_CACHE: before } = process.env;
    try {
      process.env["ESPALIER_CACHE"] = "some/where";
      expect(cacheFolder()).toBe(join(process.cwd(), "some", "where"));
      process.env["ESPALIER_CACHE"] = "";
      expect(cacheFolder()).toMatch(/espalier/);
    } finally {
      if (before === undefined) delete process.env["ESPALIER_CACHE"];
      else process.env["ESPALIER_CACHE"] = before;
    }
  });
});
