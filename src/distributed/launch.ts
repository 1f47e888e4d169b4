/**
 * Whether this process is one of several that an MPI launcher started, and by which MPI: told by the environment alone,
 * so a process that is on its own loads nothing of MPI.
 */
import { UserError } from "../core/errors.ts";

/** The two binary interfaces there are: Open MPI's, and the one that MPICH shares with Intel MPI and MVAPICH. */
export const abiNames = ["openmpi", "mpich"] as const;
export type AbiName = (typeof abiNames)[number];

export interface Launch {
  readonly abi: AbiName;
  /** As the launcher says; MPI itself is asked once it is initialised. */
  readonly rank: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Variables of each launcher: rank, number of ranks, and what they say about the MPI that goes with them. */
const launchers: readonly { readonly rank: string; readonly size: string; readonly abi: AbiName }[] = [
  // mpirun of Open MPI, from 1.3 on.
  { rank: "OMPI_COMM_WORLD_RANK", size: "OMPI_COMM_WORLD_SIZE", abi: "openmpi" },
  // Hydra (mpirun of MPICH and Intel MPI), and `srun --mpi=pmi2`.
  { rank: "PMI_RANK", size: "PMI_SIZE", abi: "mpich" },
  // `srun --mpi=pmix`, which Open MPI is built for; Slurm says how many.
  { rank: "PMIX_RANK", size: "SLURM_NTASKS", abi: "openmpi" },
];

/**
 * How this process was launched; undefined if it is alone. `ESPALIER_MPI` names the MPI where the launcher's variables
 * mislead, or is "none".
 * @throws UserError "bad-option" if it names no MPI.
 */
export function detectLaunch(environment: Environment = process.env): Launch | undefined {
  const chosen = environment["ESPALIER_MPI"];
  if (chosen === "none") return undefined;
  const abi = abiNames.find((name) => name === chosen);
  if (chosen !== undefined && chosen !== "" && abi === undefined) {
    throw new UserError("bad-option", "no such MPI", {
      about: "ESPALIER_MPI",
      expected: `${abiNames.join(", ")} or none`,
      received: chosen,
      hint: "Name the MPI that mpirun belongs to, or leave ESPALIER_MPI unset to have it found",
    });
  }
  const launcher = launchers.find(({ rank, size }) => isCount(environment[rank]) && Number(environment[size]) > 1);
  if (launcher === undefined) return undefined;
  return { abi: abi ?? launcher.abi, rank: Number(environment[launcher.rank]) };
}

function isCount(text: string | undefined): boolean {
  return text !== undefined && /^\d+$/.test(text);
}
