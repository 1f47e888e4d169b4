/**
 * The checks of `espalier doctor`: everything outside of Espalier that decides whether it trains on this machine, and
 * how fast. A finding that is not good says what to do.
 */
import { readFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { availableMemory } from "../core/available-memory.ts";
import { cacheFolder, kernelCacheFolder } from "../core/cache-folder.ts";
import { UserError } from "../core/errors.ts";
import { type Processor, thisProcessor } from "../core/processor.ts";
import { abiNames } from "../distributed/launch.ts";
import { loadMpi } from "../distributed/mpi/library.ts";
import { createEngine, defaultEngine, type EngineName } from "../engine/create.ts";
import { installAdvice } from "../engine/onednn/ffi/install.ts";
import { oneDnn } from "../engine/onednn/ffi/library.ts";
import { searchOneDnn } from "../engine/onednn/ffi/locate.ts";
import { hasOnnxRuntime, onnxRuntimeVersion, runtimeInstallCommand } from "../evaluation/runtime-library.ts";
import { formatBytes, plural } from "../report/format.ts";
import { folderFacts } from "./folder-facts.ts";

/**
 * "good": as it should be; "note": missing, and not needed for training on this machine alone; "poor": training works,
 * but slowly; "bad": training does not work.
 */
export type FindingState = "good" | "note" | "poor" | "bad";

export interface Finding {
  readonly topic: string;
  readonly state: FindingState;
  /** The finding in one line. */
  readonly summary: string;
  /** The finding as data, for programs. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** Further lines. */
  readonly details?: readonly string[];
  /** What the user can do, as a sentence. */
  readonly advice?: string;
}

export interface Diagnosis {
  /** True if no finding is "bad". */
  readonly willTrain: boolean;
  /** The default engine on this machine. */
  readonly engine: EngineName;
  readonly findings: readonly Finding[];
}

const OLDEST_NODE = [20, 17] as const;
/** Load average per core above which training steps take noticeably longer. */
const BUSY = 0.5;

export function diagnose(): Diagnosis {
  const processor = thisProcessor();
  const findings = [
    node(process.versions.node),
    processorFinding(processor),
    library(),
    precisions(),
    threads(),
    load(loadavg()[0] ?? 0, processor.cores),
    memory(),
    mpi(),
    runtime(),
    folder("cache", cacheFolder(), "datasets cannot be downloaded", "ESPALIER_CACHE"),
    folder("kernel choices", kernelCacheFolder(), "every process times kernels again", "ESPALIER_KERNEL_CACHE"),
  ].flatMap((finding) => finding ?? []);
  return { willTrain: findings.every(({ state }) => state !== "bad"), engine: defaultEngine(), findings };
}

export function node(version: string): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isNew = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  const found = { topic: "Node.js", summary: version, facts: { version } };
  if (isNew) return { ...found, state: "good" };
  return { ...found, state: "bad", advice: `Install Node.js ${OLDEST_NODE.join(".")} or newer` };
}

export function processorFinding({ model, cores, instructionSets }: Processor): Finding {
  const sets = instructionSets === undefined ? "instruction sets unknown" : instructionSets.join(", ");
  const summary = `${model}, ${plural(cores, "core")}: ${sets || "no wide instruction sets"}`;
  const found = { topic: "processor", summary, facts: { model, cores, instructionSets: instructionSets ?? null } };
  const isPoor = instructionSets?.length === 0;
  if (!isPoor) return { ...found, state: "good" };
  return { ...found, state: "poor", advice: "oneDNN is several times faster on a processor with AVX2 or AVX-512" };
}

function library(): Finding {
  const lookedAt = searchOneDnn();
  const details = lookedAt
    .filter(({ from, outcome }) => outcome !== "taken" && !(from === "ESPALIER_ONEDNN" && outcome === "refused"))
    .map(({ place, outcome, received }) => `also searched ${place}: ${outcome}${received ? ` (${received})` : ""}`);
  const found = { topic: "oneDNN", details };
  try {
    const { version, file } = oneDnn();
    const from = file.from === "system" ? "" : ` (${file.from})`;
    return {
      ...{ ...found, state: "good", summary: `${version}, ${file.path}${from}` },
      facts: { version, path: file.path, from: file.from, lookedAt },
    };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const { hint = "", list = [] } = error.details;
    const message = error.message.replace(`. ${hint}`, "");
    const isAbsent = defaultEngine() === "reference";
    return {
      ...{ ...found, state: isAbsent ? "poor" : "bad", details: [...list, ...details] },
      advice: isAbsent ? installAdvice() : hint,
      summary: isAbsent ? "not installed: the reference engine trains, several hundred times slower" : message,
      facts: { error: { code: error.code, message }, lookedAt },
    };
  }
}

/** Undefined if oneDNN cannot be used: the finding on oneDNN says so already. */
function precisions(): Finding | undefined {
  if (defaultEngine() === "reference") return undefined;
  try {
    const names = createEngine({ engine: "onednn" }).precisions;
    const topic = { topic: "precisions", facts: { precisions: names }, summary: names.join(", ") };
    if (names.includes("bf16")) return { ...topic, state: "good" };
    return { ...topic, state: "note", details: ["bf16 needs a processor with avx512_bf16 or amx_bf16"] };
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** Environment variables that OpenMP runtimes read once, when they are loaded. */
const OPENMP_VARIABLE = /^(OMP|GOMP|KMP)_/;

function threads(): Finding {
  const runtimes = loadedLibraries(/\/lib(gomp|omp|iomp5)\.\S*so/);
  const variables = Object.fromEntries(
    Object.entries(process.env).filter(([name, value]) => OPENMP_VARIABLE.test(name) && value !== undefined),
  );
  const { OMP_NUM_THREADS: asked } = process.env;
  const count = Number(asked) || availableParallelism();
  const openMp = runtimes.length === 0 ? "" : `; OpenMP is ${runtimes.join(", ")}`;
  const found = {
    topic: "threads",
    summary: `${count}${openMp}`,
    facts: { threads: count, openMp: runtimes, variables },
    details: Object.entries(variables).map(([name, value]) => `${name}=${value}`),
  };
  if (runtimes.length <= 1) return { ...found, state: "good" };
  return {
    ...found,
    state: "poor",
    advice: "The threads of several OpenMP runtimes compete for the cores. Make all libraries use the same runtime",
  };
}

/** Paths of the shared libraries that this process has loaded. Empty on systems other than Linux. */
function loadedLibraries(name: RegExp): readonly string[] {
  if (process.platform !== "linux") return [];
  const paths = readFileSync("/proc/self/maps", "utf8").matchAll(/\s(\/\S+)$/gm);
  return [...new Set([...paths].map(([, path = ""]) => path).filter((path) => name.test(path)))];
}

export function load(busy: number, cores: number): Finding {
  const found = {
    topic: "other work",
    summary: `load ${busy.toFixed(1)} on ${plural(cores, "core")}`,
    facts: { load: busy },
  };
  if (busy <= BUSY * cores) return { ...found, state: "good" };
  return {
    ...{ ...found, state: "poor" },
    advice: "Stop other programs that compute: they slow down training, and distort the timing that chooses kernels",
  };
}

function memory(): Finding {
  const bytes = availableMemory();
  return { topic: "free memory", state: "good", summary: formatBytes(bytes), facts: { bytes } };
}

function mpi(): Finding {
  const found = abiNames.flatMap((abi) => {
    try {
      const { file, version } = loadMpi(abi);
      return [{ abi, file, version: version().split("\n")[0]?.replace(/,.*/, "").trim() ?? "" }];
    } catch (error) {
      if (error instanceof UserError) return [];
      throw error;
    }
  });
  const topic = { topic: "MPI", facts: { found } };
  if (found.length > 0) {
    return { ...topic, state: "good", summary: found.map(({ version, file }) => `${version}, ${file}`).join("; ") };
  }
  return {
    ...{ ...topic, state: "note", summary: "none" },
    advice: "Needed only to train on several machines: install Open MPI (apt-get install openmpi-bin) or MPICH",
  };
}

function runtime(): Finding {
  const topic = "ONNX Runtime";
  if (!hasOnnxRuntime()) {
    return {
      ...{ topic, state: "note", summary: "none", facts: {} },
      advice: `Needed only to measure latency and to check certificates in a second engine: ${runtimeInstallCommand}`,
    };
  }
  const version = onnxRuntimeVersion();
  return { topic, state: "good", summary: version, facts: { version } };
}

function folder(topic: string, path: string, consequence: string, variable: string): Finding {
  const facts = folderFacts(path);
  const size = facts.exists ? `${formatBytes(facts.bytes)} in ${plural(facts.files, "file")}` : "not created yet";
  const found = { topic, summary: `${path}, ${size}`, facts: { ...facts } };
  if (facts.isWritable) return { ...found, state: "good" };
  const advice = `The folder is not writable, so ${consequence}. Set ${variable} to a folder that you may write to`;
  return { ...found, state: "poor", advice };
}
