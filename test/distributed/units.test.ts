/**
 * Everything that is decided without MPI: how a process was launched, which part of a batch a rank takes, how many
 * threads it uses.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/core/errors.ts";
import { type Cluster, failTogether, inCluster } from "../../src/distributed/cluster.ts";
import { joinCluster } from "../../src/distributed/join.ts";
import { detectLaunch } from "../../src/distributed/launch.ts";
import { parseProcessorList, threadsFor } from "../../src/distributed/processors.ts";
import { SingleProcess } from "../../src/distributed/single-process.ts";
import { imagesPerRank, partOfBatch } from "../../src/training/ranks/parts.ts";

describe("a launch", () => {
  it.each([
    ["Open MPI's mpirun", { OMPI_COMM_WORLD_RANK: "3", OMPI_COMM_WORLD_SIZE: "4" }, { abi: "openmpi", rank: 3 }],
    ["MPICH's mpirun", { PMI_RANK: "0", PMI_SIZE: "2" }, { abi: "mpich", rank: 0 }],
    ["srun --mpi=pmix", { PMIX_RANK: "1", SLURM_NTASKS: "8" }, { abi: "openmpi", rank: 1 }],
    [
      "a name for what the variables do not tell",
      { PMI_RANK: "1", PMI_SIZE: "2", ESPALIER_MPI: "openmpi" },
      { abi: "openmpi", rank: 1 },
    ],
  ])("is detected for %s", (_, environment, launch) => expect(detectLaunch(environment)).toEqual(launch));

  it.each([
    ["nobody", {}],
    ["mpirun -n 1", { OMPI_COMM_WORLD_RANK: "0", OMPI_COMM_WORLD_SIZE: "1" }],
    ["a job of Slurm's without MPI", { SLURM_NTASKS: "4" }],
    ["whom ESPALIER_MPI=none overrules", { PMI_RANK: "1", PMI_SIZE: "2", ESPALIER_MPI: "none" }],
  ])("is none by %s", (_, environment) => expect(detectLaunch(environment)).toBeUndefined());

  it("of an unknown MPI is an error", () => {
    expect(() => detectLaunch({ ESPALIER_MPI: "lam" })).toThrow(/openmpi, mpich or none/);
  });
});

describe("a single process", () => {
  it("is a cluster of one, with the given number of threads", async () => {
    expect(await joinCluster(undefined)).toMatchObject({ rank: 0, size: 1, isFirst: true, collectives: undefined });
    expect([new SingleProcess(3).threads, new SingleProcess(3).description]).toEqual([3, {}]);
  });

  it("returns its own value from collective calls", async () => {
    const one = new SingleProcess();
    const value = new Map([["not", "JSON"]]);
    expect(await one.onFirst(async () => value)).toBe(value);
    expect(await one.together(async () => value)).toBe(value);
    expect(await one.gather(7)).toEqual([7]);
    expect(await one.sum([1, 2])).toEqual([1, 2]);
    expect(partOfBatch(24, one)).toEqual({ first: 0, count: 24 });
  });

  it("does not read files to send or compute facts to compare", async () => {
    const one: Cluster = new SingleProcess();
    const unasked = (): never => {
      throw new Error("asked");
    };
    expect(await one.toOthers(unasked)).toBeUndefined();
    await one.requireSame(unasked);
  });

  it("fails with the same error object", async () => {
    const error = new UserError("bad-option", "no", { hint: "yes" });
    await expect(failTogether(new SingleProcess(), error)).rejects.toBe(error);
    await expect(inCluster(new SingleProcess(), () => Promise.reject(error))).rejects.toBe(error);
  });
});

describe("a batch", () => {
  it("is split evenly, or refused with the nearest sizes that can be", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4096 }), fc.integer({ min: 1, max: 64 }), (batch, ranks) => {
        if (batch % ranks === 0) return imagesPerRank(batch, ranks) * ranks === batch;
        const message = (() => {
          try {
            imagesPerRank(batch, ranks);
          } catch (error) {
            return String(error);
          }
          return "";
        })();
        const proposed = [...(/Use --batch (.*)$/.exec(message)?.[1] ?? "").matchAll(/\d+/g)].map(Number);
        expect(proposed.length).toBeGreaterThan(0);
        for (const other of proposed) {
          expect(other % ranks).toBe(0);
          expect(Math.abs(other - batch)).toBeLessThan(ranks);
        }
        return true;
      }),
    );
  });
});

describe("threads", () => {
  const seat = (host: string, processors: readonly number[]) => ({ host, processors });

  it("are as many as the processors that a rank is bound to", () => {
    expect(threadsFor(1, [seat("a", [0, 1, 2, 3]), seat("a", [4, 5, 6, 7])])).toBe(4);
  });

  it("are divided among ranks that share processors on a host, and not among hosts", () => {
    const everywhere = [0, 1, 2, 3, 4, 5, 6, 7];
    const seats = [seat("a", everywhere), seat("a", everywhere), seat("b", everywhere), seat("a", everywhere)];
    expect([0, 1, 2, 3].map((rank) => threadsFor(rank, seats))).toEqual([2, 2, 8, 2]);
  });

  it("are at least one", () => {
    expect(threadsFor(0, [seat("a", [0]), seat("a", [0])])).toBe(1);
  });

  it("are counted from Linux's list of processors", () => {
    expect(parseProcessorList("0-3,8,10-11")).toEqual([0, 1, 2, 3, 8, 10, 11]);
    expect(parseProcessorList("")).toEqual([]);
  });
});
