/**
 * Detects whether an MPI launcher started this process as one of several, and which MPI. It reads only the environment,
 * so a process that runs alone loads nothing of MPI.
 */
import { UserError } from "../core/errors.ts";

/** The two binary interfaces of MPI: Open MPI's, and the one that MPICH shares with Intel MPI and MVAPICH. */
export const abiNames = ["openmpi", "mpich"] as const;
export type AbiName = (typeof abiNames)[number];

export interface Launch {
  readonly abi: AbiName;
  /** The rank in the launcher's variables. MPI gives the final one once it is initialised. */
  readonly rank: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The variables of each launcher (rank, number of ranks), and the MPI that usually belongs to it. */
const launchers: readonly { readonly rank: string; readonly size: string; readonly abi: AbiName }[] = [
  // mpirun of Open MPI 1.3 and newer.
  { rank: "OMPI_COMM_WORLD_RANK", size: "OMPI_COMM_WORLD_SIZE", abi: "openmpi" },
  // Hydra (mpirun of MPICH and Intel MPI), and `srun --mpi=pmi2`.
  { rank: "PMI_RANK", size: "PMI_SIZE", abi: "mpich" },
  // `srun --mpi=pmix`, which Open MPI is built for; Slurm gives the number of ranks.
  { rank: "PMIX_RANK", size: "SLURM_NTASKS", abi: "openmpi" },
];

/**
 * How this process was launched; undefined if it runs alone. `ESPALIER_MPI` overrides the MPI, or is "none".
 * @throws UserError "bad-option" if it names no known MPI.
 */
export function detectLaunch(environment: Environment = process.env): Launch | undefined {
  const chosen = environment["ESPALIER_MPI"];
  if (chosen === "none") return undefined;
  const abi = abiNames.find((name) => name === chosen);
  if (chosen !== undefined && chosen !== "" && abi === undefined) {
    throw new UserError("bad-option", "unknown MPI", {
      about: "ESPALIER_MPI",
      expected: `${abiNames.join(", ")} or none`,
      received: chosen,
      hint: "Name the MPI that mpirun belongs to, or unset ESPALIER_MPI to detect it",
    });
  }
  const launcher = launchers.find(({ rank, size }) => isCount(environment[rank]) && Number(environment[size]) > 1);
  if (launcher === undefined) return undefined;
  return { abi: abi ?? launcher.abi, rank: Number(environment[launcher.rank]) };
}

function isCount(text: string | undefined): boolean {
  return text !== undefined && /^\d+$/.test(text);
}
