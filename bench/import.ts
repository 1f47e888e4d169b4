/**
 * `npm run bench:import [-- --large]`: measures the time and memory for reading ONNX files, each in a process of its
 * own. Files: ResNet-50 (102 MB) and VGG-16 (553 MB) with random weights and, with `--large`, 3 GB of external data (a
 * sparse file).
 */
import { closeSync, ftruncateSync, openSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { z } from "zod";
import { saveOnnx } from "../src/formats/onnx/index.ts";
import { attributeMessage, encodeModel } from "../src/formats/onnx/proto.ts";
import { initialize } from "../src/models/initialize.ts";
import { model } from "../src/models/zoo.ts";
import { outputOptions, print } from "./shared/output.ts";
import { peerPath } from "./shared/peer.ts";
import { spreadOf } from "./shared/statistics.ts";
import { inTemporaryFolder } from "./shared/temporary.ts";

const { values } = parseArgs({ options: { ...outputOptions, large: { type: "boolean", default: false } } });
const runs = 5;
const resultSchema = z.object({ milliseconds: z.number(), before: z.number(), after: z.number() });

interface Measured {
  readonly name: string;
  readonly bytes: number;
  readonly milliseconds: readonly number[];
  /** Peak memory minus the memory before the file was read. */
  readonly memory: number;
}

/** Linear layers with 3 GB of weights in an external file. The file is all zeros and needs no space on the disk. */
function writeLarge(folder: string): string {
  const width = 16_384;
  const bytes = width * width * 4;
  const layers = ["a", "b", "c"];
  const file = openSync(join(folder, "large.data"), "w");
  ftruncateSync(file, bytes * layers.length);
  closeSync(file);
  const entry = (key: string, value: string | number): { key: string; value: string } => ({ key, value: `${value}` });
  const path = join(folder, "large.onnx");
  const value = (name: string): object => ({
    name,
    type: { tensorType: { elemType: 1, shape: { dim: [{ dimParam: "N" }, { dimValue: width }] } } },
  });
  writeFileSync(
    path,
    encodeModel({
      irVersion: 8,
      opsetImport: [{ version: 17 }],
      graph: {
        name: "large",
        input: [value("x")],
        output: [value("c")],
        node: layers.map((name, index) => ({
          opType: "Gemm",
          name,
          input: [layers[index - 1] ?? "x", `${name}.weight`],
          output: [name],
          attribute: [attributeMessage("transB", 1)],
        })),
        initializer: layers.map((name, index) => ({
          name: `${name}.weight`,
          dataType: 1,
          dims: [width, width],
          dataLocation: 1,
          externalData: [entry("location", "large.data"), entry("offset", index * bytes), entry("length", bytes)],
        })),
      },
    }),
  );
  return path;
}

async function measure(name: string, path: string, bytes: number): Promise<Measured> {
  const results: z.infer<typeof resultSchema>[] = [];
  for (let run = 0; run < runs; run++) {
    const { stdout } = await execa(process.execPath, [peerPath("import.mjs"), path], { stderr: "inherit" });
    results.push(resultSchema.parse(JSON.parse(stdout)));
  }
  return {
    name,
    bytes,
    milliseconds: results.map(({ milliseconds }) => milliseconds),
    memory: Math.max(...results.map(({ before, after }) => after - before)),
  };
}

const measured = await inTemporaryFolder(async (folder) => {
  const results: Measured[] = [];
  for (const name of ["resnet-50", "vgg-16-imagenet"]) {
    const graph = model(name);
    const path = join(folder, `${name}.onnx`);
    await saveOnnx({ graph, weights: initialize(graph, 1) }, path);
    results.push(await measure(name, path, statSync(path).size));
  }
  if (values.large) {
    const path = writeLarge(folder);
    results.push(await measure("external data", path, statSync(join(folder, "large.data")).size));
  }
  return results;
});

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
print(
  {
    conditions: [`${cpus()[0]?.model ?? "unknown"}, ${availableParallelism()} cores, Node ${process.version}`],
    sections: [
      {
        title: "Reading an ONNX file",
        head: ["file", "size", "median", "slowest", "memory at the peak", "times its size"],
        rows: measured.map(({ name, bytes, milliseconds, memory }) => [
          name,
          megabytes(bytes),
          `${spreadOf(milliseconds).median.toFixed(0)} ms`,
          `${Math.max(...milliseconds).toFixed(0)} ms`,
          megabytes(memory),
          (memory / bytes).toFixed(2),
        ]),
        notes: [`${runs} processes each; memory without that of the process before reading.`],
      },
    ],
    data: { measured },
  },
  values,
);
