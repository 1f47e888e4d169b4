/**
 * The processes that train one network together, seen from one of them. A rank is one process; rank 0 writes files and speaks for
 * all. Joining is a matter of the launcher's: a process that was started alone is in no cluster, and loads nothing of MPI.
 */
import { writeSync } from "node:fs";
import { hostname } from "node:os";
import koffi from "koffi";
import { UserError } from "../core/errors.ts";
import { espalierVersion } from "../core/version.ts";
import type { CollectivesSpec } from "./collectives.ts";
import { FailureElsewhere, failureOf, type ToldFailure, toldFailure } from "./failure.ts";
import { Heartbeat } from "./heartbeat.ts";
import { detectLaunch, type Launch } from "./launch.ts";
import { Messages } from "./messages.ts";
import { loadMpi, type Mpi } from "./mpi/library.ts";
import { allowedProcessors, threadsFor } from "./processors.ts";

/** A process of the cluster. */
export interface Peer {
  readonly rank: number;
  readonly host: string;
  readonly process: number;
}

type Outcome<T> = { readonly value: T } | { readonly failure: ToldFailure };

const STUCK_SECONDS = 5;
/** What the launcher is given to notice a lost host, before the job is aborted without it. */
const LAUNCHER_MILLISECONDS = 8000;

let joined: Promise<Cluster> | undefined;

/**
 * The cluster that this process was launched into, joined once; undefined if it is alone.
 * @throws UserError "ranks-differ" if a rank runs another version of Espalier than rank 0; what `loadMpi` throws.
 */
export async function joinCluster(launch: Launch | undefined = detectLaunch()): Promise<Cluster | undefined> {
  if (launch === undefined) return undefined;
  joined ??= Cluster.open(launch);
  return joined;
}

export class Cluster {
  readonly rank: number;
  readonly size: number;
  readonly peers: readonly Peer[];
  /** The MPI in use, as it names itself. */
  readonly version: string;
  /** Threads that this rank computes with unless it is told otherwise. */
  readonly threads: number;
  /** What the engine's thread joins the sums with. */
  readonly collectives: CollectivesSpec;
  readonly #mpi: Mpi;
  readonly #messages: Messages;
  #heartbeat: Heartbeat | undefined;
  /** Whether an error that ends this process is known to every rank. */
  #isTold = false;

  private constructor(
    mpi: Mpi,
    messages: Messages,
    known: Pick<Cluster, "rank" | "peers" | "threads" | "collectives">,
  ) {
    this.#mpi = mpi;
    this.#messages = messages;
    this.rank = known.rank;
    this.peers = known.peers;
    this.size = known.peers.length;
    this.threads = known.threads;
    this.collectives = known.collectives;
    this.version = mpi.version();
  }

  static async open({ abi }: Launch): Promise<Cluster> {
    const mpi = loadMpi(abi);
    mpi.initialize();
    const [rank, size] = [mpi.rank(mpi.world), mpi.size(mpi.world)];
    // Steps and messages must not meet: each has a communicator of its own.
    const [own, forSteps] = [mpi.duplicate(mpi.world), mpi.duplicate(mpi.world)];
    const messages = new Messages(mpi, own, size);
    const seat = { host: hostname(), process: process.pid, processors: allowedProcessors() };
    const seats = await messages.gather(seat);
    const cluster = new Cluster(mpi, messages, {
      rank,
      peers: seats.map(({ host, process: id }, index) => ({ rank: index, host, process: id })),
      threads: threadsFor(rank, seats),
      collectives: { abi, file: mpi.file, communicator: forSteps },
    });
    process.once("exit", (code) => cluster.#end(code));
    // Before anything else: another version may mean other things by the same messages.
    await cluster.requireSame({ "version of Espalier": await espalierVersion() });
    return cluster;
  }

  /** Whether every rank knows of an error that ends the work of all. */
  get isTold(): boolean {
    return this.#isTold;
  }

  /** Whether this is the rank that writes files and speaks. */
  get isFirst(): boolean {
    return this.rank === 0;
  }

  /** "rank 3 on host-b", for messages. */
  nameOf(rank: number): string {
    return `rank ${rank} on ${this.peers[rank]?.host ?? "an unknown host"}`;
  }

  /**
   * From here to `leave` the ranks miss each other: if one is gone, the others say so and end. Gives back the ranks that could not
   * be followed.
   */
  async watch(): Promise<readonly number[]> {
    const { rank, size } = this;
    // What ended the work before ended only that.
    this.#isTold = false;
    const [heartbeat, unheard] = await Heartbeat.start({
      ...{ rank, size, messages: this.#messages },
      onLost: (lost, reason, isSilent) => this.#lose(lost, reason, isSilent),
    });
    this.#heartbeat = heartbeat;
    return unheard;
  }

  leave(): void {
    this.#heartbeat?.stop();
    this.#heartbeat = undefined;
  }

  /** The values of all ranks, in their order. Every rank has to call; so with all that follow. */
  gather<T>(value: T): Promise<T[]> {
    return this.#messages.gather(value);
  }

  /** What rank 0 hands in. */
  broadcast(content: Uint8Array | undefined): Promise<Uint8Array> {
    return this.#messages.broadcast(content);
  }

  sum(values: readonly number[]): Promise<readonly number[]> {
    return this.#messages.sum(values);
  }

  /**
   * Has every rank do `work`. If it fails on any, it fails on all: rank 0 raises the error, its own or the first other rank's, and
   * the others a `FailureElsewhere`.
   */
  async together<T>(work: () => Promise<T>): Promise<T> {
    let value: T | undefined;
    let error: unknown;
    let failure: ToldFailure | null = null;
    try {
      value = await work();
    } catch (raised) {
      error = raised;
      failure = toldFailure(raised);
    }
    const failures = await this.#messages.gather(failure);
    const first = failures.findIndex((entry) => entry !== null);
    const told = failures[first];
    // Without a failure `work` gave a value.
    if (told === undefined || told === null) return value as T;
    this.#isTold = true;
    if (!this.isFirst) throw new FailureElsewhere(told);
    throw failure === null ? failureOf(this.nameOf(first), told) : error;
  }

  /** Has rank 0 do `work`, and gives its result to all; plain JSON. If it fails, it fails on all, as in `together`. */
  async onFirst<T>(work: () => Promise<T>): Promise<T> {
    let outcome: Outcome<T> | undefined;
    let error: unknown;
    if (this.isFirst) {
      try {
        outcome = { value: await work() };
      } catch (raised) {
        error = raised;
        outcome = { failure: toldFailure(raised) };
      }
    }
    const content = outcome && new TextEncoder().encode(JSON.stringify(outcome));
    const told = JSON.parse(new TextDecoder().decode(await this.broadcast(content))) as Outcome<T>;
    if (!("failure" in told)) return told.value;
    this.#isTold = true;
    throw this.isFirst ? error : new FailureElsewhere(told.failure);
  }

  /**
   * Refuses a rank that has other `facts` than rank 0, by what they are called.
   * @throws UserError "ranks-differ" on rank 0; a `FailureElsewhere` on others.
   */
  async requireSame(facts: Readonly<Record<string, string>>): Promise<void> {
    const all = await this.gather(facts);
    const [wanted = {}] = all;
    await this.together(async () => {
      for (const [rank, own] of all.entries()) {
        const differing = Object.keys({ ...wanted, ...own }).find((name) => wanted[name] !== own[name]);
        if (!this.isFirst || differing === undefined) continue;
        throw new UserError("ranks-differ", `${this.nameOf(rank)} has another ${differing} than rank 0`, {
          expected: wanted[differing] ?? "none",
          received: own[differing] ?? "none",
          hint: "Start every rank with the same Espalier, the same options and the same data",
        });
      }
    });
  }

  /** A rank is gone: nothing that waits for it will go on. */
  #lose(lost: number, reason: string, isSilent: boolean): void {
    const hint = 'Go on from the last checkpoint with "espalier resume", on the ranks that are left';
    const by = this.isFirst ? "" : `, says ${this.nameOf(this.rank)}`;
    writeSync(process.stderr.fd, `✗ rank-lost: ${this.nameOf(lost)} is lost: ${reason}${by}\n  ${hint}\n`);
    // A launcher that finds out by itself that a host is gone ends the job cleanly; told to end it, it waits for that host.
    if (isSilent) setTimeout(() => this.#abort(EXIT_LOST), LAUNCHER_MILLISECONDS);
    else this.#abort(EXIT_LOST);
  }

  #abort(exitCode: number): void {
    // Where not even giving up succeeds, the kernel ends it.
    koffi.load("libc.so.6").func("uint alarm(uint seconds)")(STUCK_SECONDS);
    this.#mpi.abort(exitCode);
    process.kill(process.pid, "SIGKILL");
  }

  #end(code: number): void {
    this.leave();
    if (code === 0 || this.#isTold) this.#mpi.finalize();
    else this.#abort(code);
  }
}

/** A lost rank is mended by starting again, as other user errors are. */
const EXIT_LOST = 2;

/** Whether an error is told by another rank, so that this one need not. */
export function isToldElsewhere(error: unknown): boolean {
  return error instanceof FailureElsewhere;
}
