/**
 * Times one training step of ResNet-20 in f32 against TensorFlow.js (`peers/tensorflow.mjs`), in turns, at a batch that
 * TensorFlow.js can compute in seconds. Espalier is also timed at a usual batch. TensorFlow.js is not a dependency: the
 * first run downloads it from npm into Espalier's cache folder.
 *
 *     npm run bench:tensorflow -- [--batch 8] [--rounds 3] [--runs 1] [--threads 2] [--json | --markdown]
 */
import { access, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { z } from "zod";
import { cacheFolder } from "../src/core/cache-folder.ts";
import { required } from "../src/core/errors.ts";
import { createOneDnnEngine } from "../src/engine/onednn/index.ts";
import { interleave, type Subject } from "./shared/interleave.ts";
import { plainSubject } from "./shared/networks.ts";
import { count, threadOptions } from "./shared/options.ts";
import { OurStep } from "./shared/our-step.ts";
import { againstTarget, machineConditions, outputOptions, print } from "./shared/output.ts";
import { Peer, PeerError, unlessPeerFails } from "./shared/peer.ts";
import { type Spread, spreadOf } from "./shared/statistics.ts";
import { inTemporaryFolder } from "./shared/temporary.ts";

const TARGET = 20;
const MODEL = "resnet-20";
const USUAL_BATCH = 128;
const VERSION = "4.22.0";
const PACKAGES = ["tfjs", "tfjs-backend-wasm"].map((name) => `@tensorflow/${name}@${VERSION}`);

const { values: options } = parseArgs({
  options: {
    batch: { type: "string", default: "8" },
    rounds: { type: "string", default: "3" },
    runs: { type: "string", default: "1" },
    ...threadOptions,
    ...outputOptions,
  },
});
const batch = count(options.batch, "batch");
const turns = { rounds: count(options.rounds, "rounds"), runs: count(options.runs, "runs") };

/** Folder whose `node_modules` has TensorFlow.js. */
async function install(): Promise<string> {
  const folder = join(cacheFolder(), "peers", `tensorflow-js-${VERSION}`);
  const done = join(folder, "installed");
  const isThere = await access(done).then(
    () => true,
    () => false,
  );
  if (isThere) return folder;
  console.error(`… downloading TensorFlow.js ${VERSION} from npm into ${folder}`);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "package.json"), JSON.stringify({ name: "bench-peer", private: true }));
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const { failed, stderr } = await execa("npm", ["install", ...quiet, ...PACKAGES], { cwd: folder, reject: false });
  if (failed) throw new PeerError(`npm could not install it: ${stderr.split("\n")[0] ?? ""}`);
  await writeFile(done, "");
  return folder;
}

interface Measured extends Spread {
  readonly name: string;
  readonly batch: number;
  /** Milliseconds. */
  readonly perImage: number;
}

const hello = z.object({ versions: z.string(), backend: z.string(), refused: z.record(z.string(), z.string()) });
const timings = z.object({ milliseconds: z.array(z.number()) });

await inTemporaryFolder(async (kernels) => {
  const engine = createOneDnnEngine({ threads: count(options.threads, "threads"), cacheFolder: kernels });
  const prepare = (images: number): OurStep =>
    new OurStep(`Espalier, batch ${images}`, engine, plainSubject(MODEL), images, "f32");
  const ours = [prepare(batch), prepare(USUAL_BATCH)];
  const notes: string[] = [];
  const measureWith = async (twins: readonly Subject[]): Promise<readonly Measured[]> => {
    const subjects = [...ours, ...twins];
    const times = await interleave(subjects, turns);
    return subjects.map(({ name }, index) => {
      const spread = spreadOf(required(times[index], `times of ${name}`));
      const images = index === 1 ? USUAL_BATCH : batch;
      return { name, batch: images, ...spread, perImage: spread.median / images };
    });
  };
  const compared = await unlessPeerFails("TensorFlow.js", async () => {
    const peer = await Peer.startNode("tensorflow.mjs", [await install(), `${batch}`]);
    try {
      const { versions, backend, refused } = await peer.read(hello);
      for (const [name, reason] of Object.entries(refused))
        notes.push(`Its backend "${name}" cannot train: ${reason}.`);
      const round = async (runs: number) => (await peer.ask({ runs }, timings)).milliseconds;
      return await measureWith([{ name: `${versions}, backend "${backend}", batch ${batch}`, settle: 0, round }]);
    } finally {
      peer.stop();
    }
  });
  const rows = compared ?? (await measureWith([]));
  const twinPerImage = rows[ours.length]?.perImage;
  print(
    {
      conditions: machineConditions("bench:tensorflow", [
        engine.description["library"] ?? "",
        `${options.threads} threads`,
      ]),
      sections: [
        {
          title: `One training step of ${MODEL} in f32 against TensorFlow.js`,
          head: ["", "median ms (minimum … maximum)", "runs", "ms an image", "times as fast as TensorFlow.js"],
          rows: rows.map(({ name, median, minimum, maximum, runs, perImage }, index) => [
            name,
            `${median.toFixed(1)} (${minimum.toFixed(1)} … ${maximum.toFixed(1)})`,
            `${runs}`,
            perImage.toFixed(3),
            index < ours.length
              ? againstTarget(twinPerImage === undefined ? undefined : twinPerImage / perImage, TARGET)
              : "",
          ]),
          notes,
        },
      ],
      data: { rows, target: TARGET },
    },
    options,
  );
  for (const step of ours) step.dispose();
});
