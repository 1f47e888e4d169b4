/**
 * Nobody listens in: a run, `bench`, `eval` and the library leave nothing outside Espalier's own folders and open no
 * connection. ONNX Runtime reports to its maker unless it is told not to, in the main thread and in any other.
 */
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { tinyWorkplace } from "../cli/support.ts";
import { newPlace, typescript, type Watched, watch } from "./watched.ts";

const main = resolve("src/cli/main.ts");

/** What is kept of a user's: the choice of kernels, data that was fetched. */
const isOwn = (file: string): boolean => file.startsWith("home/.cache/espalier/");

/** Files and addresses that are none of Espalier's. */
function foreign({ files, addresses }: Watched, isMeant: (file: string) => boolean = () => false): readonly string[] {
  const places = ["home/", "temporary/", "work/"];
  return [...files.filter((file) => !places.includes(file) && !isOwn(file) && !isMeant(file)), ...addresses];
}

test("train, bench and eval write only into their folders and open no connections", async () => {
  const place = newPlace();
  const workplace = await tinyWorkplace();
  cpSync(workplace, join(place, "work"), { recursive: true });
  const [data = ""] = (await watch(["-e", ""], place)).files.flatMap(
    (file) => /^work\/(data-[^/]*)/.exec(file)?.[1] ?? [],
  );
  const espalier = async (...arguments_: string[]): Promise<Watched> => {
    const watched = await watch([...typescript, main, ...arguments_], place);
    expect(watched.exitCode, watched.output).toBe(0);
    return watched;
  };
  const isMeant = (file: string): boolean => /^work\/(data-|tiny\.onnx$|run\/)/.test(file);
  const run = ["--data", `./${data}`, "--epochs", "1", "--batch", "16", "--gamma", "0.01", "--threads", "1"];
  expect(foreign(await espalier("train", "tiny.onnx", ...run, "--out", "run"), isMeant)).toEqual([]);
  expect(foreign(await espalier("eval", "run/compact.onnx", "--data", `./${data}`), isMeant)).toEqual([]);
  const pair = ["run/compact.onnx", "--against", "run/network.onnx"];
  expect(foreign(await espalier("bench", ...pair), isMeant)).toEqual([]);
});

/** Opens `file` in ONNX Runtime through Espalier, as a program of the user's does. */
const program = (file: string): string => `
  const { measureLatency } = await import(${JSON.stringify(pathToFileURL(resolve("src/entries/engine.ts")).href)});
  const [latency] = await measureLatency([${JSON.stringify(file)}], { rounds: 1 });
  console.log("median", latency.median);
`;

test.each(["the main thread", "a worker thread"])("nor do the library's own calls, in %s", async (thread) => {
  const place = newPlace();
  const body = program(join(await tinyWorkplace(), "tiny.onnx"));
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx"));
  const loader = new URL("esm/api/index.mjs", tsx).href;
  const registered = `const { register } = await import(${JSON.stringify(loader)}); register();${body}`;
  const inThread = `
    import { Worker } from "node:worker_threads";
    const body = ${JSON.stringify(registered)};
    new Worker(new URL("data:text/javascript," + encodeURIComponent(body)));
  `;
  const watched = await watch(
    [...typescript, "--input-type=module", "-e", thread === "the main thread" ? body : inThread],
    place,
  );
  expect(watched.output).toMatch(/^median [\d.]+/);
  expect(foreign(watched)).toEqual([]);
});

test("the test notices a new file and a connection", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((listening) => server.once("listening", listening));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const script = join(newPlace(), "script.mjs");
  writeFileSync(
    script,
    `import { writeFileSync } from "node:fs";
     import { connect } from "node:net";
     writeFileSync(process.env.HOME + "/deviceid", "");
     connect(${port}, "127.0.0.1", function () { setTimeout(() => this.end(), 100); });`,
  );
  const watched = await watch([script]);
  server.close();
  expect(foreign(watched)).toEqual(expect.arrayContaining(["home/deviceid"]));
  expect(watched.addresses).not.toEqual([]);
});

test("one module alone loads ONNX Runtime", () => {
  const loads = /(?:^import (?!type )[^;]*|import\(|createRequire\([^)]*\)\()"onnxruntime-node"/m;
  const files = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  const loading = files.filter((file) => loads.test(readFileSync(join("src", file), "utf8")));
  expect(loading).toEqual([join("evaluation", "runtime-library.ts")]);
});
