/** Describes the processor: its model, its cores and the instruction sets that affect training speed. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";

export interface Processor {
  readonly model: string;
  /** Cores that this process may use. */
  readonly cores: number;
  /** The instruction sets by Espalier's names, the oldest first; undefined if the system does not list them. */
  readonly instructionSets?: readonly string[];
}

/** Espalier's name of an instruction set → its flags on Linux and macOS; one of them is enough. */
const sets: Readonly<Record<string, readonly string[]>> = {
  avx2: ["avx2"],
  avx512: ["avx512f", "avx512_f"],
  avx512_vnni: ["avx512_vnni"],
  avx512_bf16: ["avx512_bf16"],
  avx512_fp16: ["avx512_fp16"],
  amx_bf16: ["amx_bf16"],
  asimd: ["asimd", "feat_advsimd"],
  sve: ["sve"],
  bf16: ["bf16", "feat_bf16"],
};

export function thisProcessor(): Processor {
  const flags = listedFlags();
  const shared = { model: cpus()[0]?.model.trim() ?? "unknown", cores: availableParallelism() };
  return flags === undefined ? shared : { ...shared, instructionSets: instructionSets(flags) };
}

/** Espalier's names of the instruction sets whose flags the system lists, in any order. */
export function instructionSets(flags: readonly string[]): readonly string[] {
  const present = new Set(flags.map((flag) => flag.toLowerCase()));
  return Object.keys(sets).filter((name) => sets[name]?.some((flag) => present.has(flag)));
}

/** The flags in /proc/cpuinfo ("Features" on ARM), or from sysctl on macOS. */
function listedFlags(): readonly string[] | undefined {
  if (process.platform === "linux") {
    const text = readFileSync("/proc/cpuinfo", "utf8");
    return /^(?:flags|Features)\s*:\s*(.*)$/m.exec(text)?.[1]?.split(/\s+/);
  }
  if (process.platform !== "darwin") return undefined;
  const { stdout } = spawnSync("sysctl", ["-a"], { encoding: "utf8", timeout: 10_000, maxBuffer: 64 * 1024 * 1024 });
  return sysctlFlags(stdout ?? "");
}

/**
 * The flags in `text`: "machdep.cpu.leaf7_features: … AVX2 …" on Intel, "hw.optional.arm.FEAT_BF16: 1" on Apple
 * silicon.
 */
export function sysctlFlags(text: string): readonly string[] {
  const listed = [...text.matchAll(/^machdep\.cpu\.\w*features: (.*)$/gm)].flatMap(([, names = ""]) =>
    names.split(" "),
  );
  const optional = [...text.matchAll(/^hw\.optional\.(?:arm\.)?(\w+): 1$/gm)].map(([, name = ""]) => name);
  return [...listed, ...optional];
}
