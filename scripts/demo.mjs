/**
 * `npm run demo [more options of espalier train]`: from a fresh clone to a network trained, pruned and proven on
 * CIFAR-10. Installs what is missing, builds, fetches the data and trains ResNet-20 with a factor on every neuron and
 * block.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { requireOneDnn } from "./onednn.mjs";
import { build, requireNode, requirePackages } from "./setup.mjs";
import { announce, root, runAttached, runScript, say } from "./shell.mjs";

const cli = join(root, "dist", "cli", "main.js");
/** A few epochs: enough to see factors reach zero within minutes on two cores. */
const training = ["--epochs", "4", "--batch", "64", "--budget", "55%-latency"];

/** A few minutes of the reference engine: the whole path, on too few images to learn from. */
const withoutOneDnn = [
  ...["--engine", "reference", "--epochs", "2", "--batch", "8", "--limit", "32", "--gamma", "neurons=0.02,blocks=0.2"],
];

/** runs/demo, or runs/demo-2, … when that is taken: a demo never overwrites an earlier one. */
function freeRunFolder() {
  let folder = join("runs", "demo");
  for (let count = 2; existsSync(folder); count++) folder = join("runs", `demo-${count}`);
  return folder;
}

await runScript(async () => {
  requireNode();
  say(`Node ${process.versions.node}`);
  requirePackages();
  say("npm packages");
  const { usable, summary } = requireOneDnn();
  (usable ? say : announce)(summary);
  announce("building");
  build();
  say("built");
  const fetched = await runAttached(process.execPath, [cli, "data", "cifar10"]);
  if (fetched !== 0) return fetched;
  const folder = freeRunFolder();
  return runAttached(process.execPath, [
    ...[cli, "train", "resnet-20", "--data", "cifar10", "--out", folder],
    ...(usable ? training : withoutOneDnn),
    ...process.argv.slice(2),
  ]);
});
