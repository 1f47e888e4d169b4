/** Starts a script on several ranks, with any MPI that is installed here. */
import { existsSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { execa } from "execa";
import { type AbiName, abiNames } from "../../src/distributed/launch.ts";

const launchers: Readonly<Record<AbiName, string>> = { openmpi: "mpirun.openmpi", mpich: "mpirun.mpich" };
const tsx = resolve("node_modules/tsx/dist/loader.mjs");

function pathOf(command: string): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.map((folder) => join(folder, command)).find((path) => existsSync(path));
}

/** The MPIs whose launcher is on the path; prints which are missing. */
export const installedMpis: readonly AbiName[] = abiNames.filter((name) => {
  const isThere = pathOf(launchers[name]) !== undefined;
  if (!isThere) console.warn(`skipped: ${launchers[name]} is not installed`);
  return isThere;
});

/** Tests run more ranks than there may be cores, and as any user. */
const environment = {
  OMPI_ALLOW_RUN_AS_ROOT: "1",
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1",
  OMPI_MCA_rmaps_base_oversubscribe: "1",
  OMPI_MCA_hwloc_base_binding_policy: "none",
  OMPI_MCA_btl_vader_single_copy_mechanism: "none",
  OMPI_MCA_mpi_yield_when_idle: "1",
  NO_COLOR: "1",
  CI: "true",
};

export interface LaunchOptions {
  readonly mpi?: AbiName;
  /** Options for mpirun. */
  readonly options?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** A folder with another Espalier and the script; the last rank runs these. */
  readonly other?: string;
}

export interface Launched {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the TypeScript `script` on `ranks` ranks. The promise never rejects. */
export async function launch(
  ranks: number,
  script: string,
  parameters: readonly string[],
  { mpi = "openmpi", options = [], env = {}, cwd = process.cwd(), other }: LaunchOptions = {},
): Promise<Launched> {
  const program = (count: number, root: string): readonly string[] => {
    return ["-n", `${count}`, process.execPath, "--import", tsx, resolve(root, script), ...parameters];
  };
  const programs = other === undefined ? program(ranks, ".") : [...program(ranks - 1, "."), ":", ...program(1, other)];
  const result = await execa(launchers[mpi], [...options, ...programs], {
    reject: false,
    stdin: "ignore",
    cwd,
    env: { ...environment, ...env },
  });
  return { exitCode: result.exitCode ?? -1, stdout: result.stdout, stderr: result.stderr };
}
