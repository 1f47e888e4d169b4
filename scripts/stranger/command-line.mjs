/**
 * What CI does with the packed command line in an empty folder: asks for its version, for a network, for a score, and
 * for the page.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const program = "node_modules/.bin/espalier";
const espalier = (...args) => spawnSync(program, args, { encoding: "utf8" });

const { version } = JSON.parse(readFileSync("node_modules/@espalier/cli/package.json", "utf8"));
assert.equal(espalier("--version").stdout.trim(), version);
// The published ResNet-20 for CIFAR-10 has 269,722 parameters (option A).
const { parameters, macs } = JSON.parse(espalier("inspect", "resnet-20", "--json").stdout);
assert.equal(parameters, 269_722);
assert(macs > 4e7 && macs < 4.2e7, `${macs} MACs`);
assert(JSON.parse(espalier("recipes", "--json").stdout).length > 0);
const refused = espalier("eval", "network.onnx", "--runtime");
assert.equal(refused.status, 2);
assert.match(refused.stderr, /\[engine-missing\][\s\S]*npm install .*onnxruntime-node@/);

const server = spawn(program, ["ui", "runs", "--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
try {
  const [line] = await once(createInterface({ input: server.stdout }), "line");
  const address = line.trim();
  const page = await (await fetch(address)).text();
  assert.match(page, /<title>.*Espalier/i);
  for (const [, asset] of page.matchAll(/(?:src|href)="([^"]*assets[^"]+)"/g)) {
    assert.equal((await fetch(new URL(asset, address))).status, 200, asset);
  }
  for (const file of ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.wasm", "ort-wasm-simd-threaded.asyncify.wasm"]) {
    const answer = await fetch(new URL(`/ort/${file}`, address));
    assert.equal(answer.status, 200, file);
    await answer.body?.cancel();
  }
} finally {
  server.kill("SIGTERM");
  await once(server, "exit");
}
