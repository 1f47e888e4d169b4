/**
 * `npm run demo [more options of espalier train]`: from a fresh clone to a network trained, pruned and proven on
 * CIFAR-10. Installs what is missing, builds, fetches the data and trains the fast recipe in half of its epochs, with a
 * budget of latency. At its end it says how accurate the full network is after as many epochs.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { requireOneDnn } from "./onednn.mjs";
import { build, requireNode, requirePackages } from "./setup.mjs";
import { announce, root, runAttached, runScript, say } from "./shell.mjs";

const cli = join(root, "dist", "cli", "main.js");
const EPOCHS = 5;
/** Some minutes on two cores. The budget leaves less than half of the MACs. */
const training = ["--recipe", "fastnet-cifar10", "--epochs", String(EPOCHS), "--budget", "52%-latency"];

/** A few minutes of the reference engine: the whole path, on too few images to learn from. */
const withoutOneDnn = [
  ...["resnet-20", "--data", "cifar10", "--engine", "reference", "--epochs", "2", "--batch", "8", "--limit", "32"],
  ...["--gamma", "neurons=0.02,blocks=0.2"],
];

/** The accuracy of the full network after as many epochs, from the stored results. */
function fullAccuracy() {
  const runs = JSON.parse(readFileSync(join(root, "docs", "results", "fastnet-cifar.json"), "utf8"));
  return runs.find(({ aim, epochs }) => aim === "" && epochs === EPOCHS).after.accuracy;
}

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
  const given = process.argv.slice(2);
  const trained = await runAttached(process.execPath, [
    ...[cli, "train", ...(usable ? training : withoutOneDnn)],
    ...["--out", freeRunFolder(), ...given],
  ]);
  if (trained === 0 && usable && given.length === 0) {
    const full = `${fullAccuracy().toFixed(2)} % after as many epochs without pruning (docs/results.md)`;
    announce(`for comparison, the accuracy of the full network: ${full}`);
  }
  return trained;
});
