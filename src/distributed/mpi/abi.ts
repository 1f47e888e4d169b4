/**
 * The differences between the two binary interfaces of MPI. In Open MPI a handle is the address of an object that the
 * library exports by name. In MPICH it is a number from its header, the same in all libraries of its common interface
 * (MPICH 3.1 and newer, Intel MPI, MVAPICH). Both define MPI_SUCCESS = 0 and the same levels of thread support.
 */
import type { AbiName } from "../launch.ts";

export type HandleName = "world" | "byte" | "int32" | "float" | "double" | "sum" | "errorsReturn";

export interface Abi {
  /** Library files to try, the usual one first. */
  readonly libraries: readonly string[];
  /** C type of a handle. */
  readonly handleType: "void *" | "int";
  /** Names of the exported objects, or the numbers. */
  readonly handles: Readonly<Record<HandleName, string | number>>;
  /** MPI_IN_PLACE and MPI_STATUS_IGNORE: reserved addresses. */
  readonly inPlace: bigint;
  readonly statusIgnore: bigint;
  readonly install: string;
}

export const abis: Readonly<Record<AbiName, Abi>> = {
  openmpi: {
    libraries: ["libmpi.so.40", "libmpi.so"],
    handleType: "void *",
    handles: {
      world: "ompi_mpi_comm_world",
      byte: "ompi_mpi_byte",
      int32: "ompi_mpi_int32_t",
      float: "ompi_mpi_float",
      double: "ompi_mpi_double",
      sum: "ompi_mpi_op_sum",
      errorsReturn: "ompi_mpi_errors_return",
    },
    inPlace: 1n,
    statusIgnore: 0n,
    install: "apt-get install openmpi-bin",
  },
  mpich: {
    libraries: ["libmpich.so.12", "libmpi.so.12"],
    handleType: "int",
    handles: {
      world: 0x44000000,
      byte: 0x4c00010d,
      int32: 0x4c000439,
      float: 0x4c00040a,
      double: 0x4c00080b,
      sum: 0x58000003,
      errorsReturn: 0x54000001,
    },
    inPlace: 0xffffffffffffffffn,
    statusIgnore: 1n,
    install: "apt-get install mpich",
  },
};
