/** A cluster of several processes that an MPI launcher started. */
import { writeSync } from "node:fs";
import { hostname } from "node:os";
import koffi from "koffi";
import { UserError } from "../core/errors.ts";
import { espalierVersion } from "../core/version.ts";
import type { Cluster, Peer } from "./cluster.ts";
import type { CollectivesSpec } from "./collectives.ts";
import { FailureElsewhere, type FailureReport, failureOf, failureReport } from "./failure.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { Launch } from "./launch.ts";
import { Messages } from "./messages.ts";
import { loadMpi, type Mpi } from "./mpi/library.ts";
import { allowedProcessors, threadsFor, threadsInEnvironment } from "./processors.ts";

type Outcome<T> = { readonly value: T } | { readonly failure: FailureReport };

const STUCK_SECONDS = 5;
/** How long the launcher has to notice a lost host before this process aborts the job. */
const LAUNCHER_MILLISECONDS = 8000;

export class MpiCluster implements Cluster {
  readonly rank: number;
  readonly size: number;
  readonly peers: readonly Peer[];
  readonly description: Readonly<Record<string, string>>;
  readonly threads: number;
  readonly collectives: CollectivesSpec;
  readonly #mpi: Mpi;
  readonly #messages: Messages;
  #heartbeat: Heartbeat | undefined;
  /** Whether every rank knows about the error that ends this process. */
  #isTold = false;

  private constructor(
    mpi: Mpi,
    messages: Messages,
    known: Pick<MpiCluster, "rank" | "peers" | "threads" | "collectives">,
  ) {
    this.#mpi = mpi;
    this.#messages = messages;
    this.rank = known.rank;
    this.peers = known.peers;
    this.size = known.peers.length;
    this.threads = known.threads;
    this.collectives = known.collectives;
    this.description = { ranks: `${this.size}`, mpi: mpi.version() };
  }

  /**
   * Joins the ranks that the launcher started.
   * @throws UserError "ranks-differ" if a rank runs another version of Espalier than rank 0; the errors of `loadMpi`.
   */
  static async open({ abi }: Launch): Promise<MpiCluster> {
    const mpi = loadMpi(abi);
    mpi.initialize();
    const [rank, size] = [mpi.rank(mpi.world), mpi.size(mpi.world)];
    // Steps and messages have separate communicators, so that they do not mix.
    const [forMessages, forSteps] = [mpi.duplicate(mpi.world), mpi.duplicate(mpi.world)];
    const messages = new Messages(mpi, forMessages, size);
    const own = { host: hostname(), process: process.pid, processors: allowedProcessors() };
    const ranks = await messages.gather(own);
    const cluster = new MpiCluster(mpi, messages, {
      rank,
      peers: ranks.map(({ host, process: id }, index) => ({ rank: index, host, process: id })),
      threads: threadsInEnvironment() ?? threadsFor(rank, ranks),
      collectives: { abi, file: mpi.file, communicator: forSteps },
    });
    process.once("exit", (code) => cluster.#end(code));
    // Check this first: in another version the same messages may mean something else.
    const version = await espalierVersion();
    await cluster.requireSame(() => ({ "version of Espalier": version }));
    return cluster;
  }

  get isTold(): boolean {
    return this.#isTold;
  }

  get isFirst(): boolean {
    return this.rank === 0;
  }

  nameOf(rank: number): string {
    return `rank ${rank} on ${this.peers[rank]?.host ?? "an unknown host"}`;
  }

  async watch(): Promise<readonly number[]> {
    const { rank, size } = this;
    // An error of earlier work ended only that work.
    this.#isTold = false;
    const [heartbeat, unmonitored] = await Heartbeat.start({
      ...{ rank, size, messages: this.#messages },
      onLost: (lost, reason, isSilent) => this.#endAfterLoss(lost, reason, isSilent),
    });
    this.#heartbeat = heartbeat;
    return unmonitored;
  }

  leave(): void {
    this.#heartbeat?.stop();
    this.#heartbeat = undefined;
  }

  gather<T>(value: T): Promise<T[]> {
    return this.#messages.gather(value);
  }

  async toOthers(read: () => Promise<Uint8Array>): Promise<Uint8Array | undefined> {
    let content: Uint8Array | undefined;
    // Read first, so that a file that cannot be read is an error on all ranks and not a message that never arrives.
    await this.onFirst(async () => {
      content = await read();
      return content.length;
    });
    const received = await this.#messages.broadcast(content);
    return this.isFirst ? undefined : received;
  }

  sum(values: readonly number[]): Promise<readonly number[]> {
    return this.#messages.sum(values);
  }

  async together<T>(work: () => Promise<T>): Promise<T> {
    let value: T | undefined;
    let error: unknown;
    let failure: FailureReport | null = null;
    try {
      value = await work();
    } catch (raised) {
      error = raised;
      failure = failureReport(raised);
    }
    const failures = await this.#messages.gather(failure);
    const first = failures.findIndex((entry) => entry !== null);
    const report = failures[first];
    // Without a failure `work` returned a value.
    if (report === undefined || report === null) return value as T;
    this.#isTold = true;
    if (!this.isFirst) throw new FailureElsewhere(report);
    throw failure === null ? failureOf(this.nameOf(first), report) : error;
  }

  async onFirst<T>(work: () => Promise<T>): Promise<T> {
    let outcome: Outcome<T> | undefined;
    let error: unknown;
    if (this.isFirst) {
      try {
        outcome = { value: await work() };
      } catch (raised) {
        error = raised;
        outcome = { failure: failureReport(raised) };
      }
    }
    const content = outcome && new TextEncoder().encode(JSON.stringify(outcome));
    const received = JSON.parse(new TextDecoder().decode(await this.#messages.broadcast(content))) as Outcome<T>;
    if (!("failure" in received)) return received.value;
    this.#isTold = true;
    throw this.isFirst ? error : new FailureElsewhere(received.failure);
  }

  async requireSame(facts: () => Readonly<Record<string, string>>): Promise<void> {
    const all = await this.gather(facts());
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

  /** Ends this process after a rank was lost: work that waits for that rank would never finish. */
  #endAfterLoss(lost: number, reason: string, isSilent: boolean): void {
    const hint = 'Continue from the last checkpoint with "espalier resume", on the ranks that are left';
    const by = this.isFirst ? "" : `, reported by ${this.nameOf(this.rank)}`;
    writeSync(process.stderr.fd, `✗ rank-lost: ${this.nameOf(lost)} is lost: ${reason}${by}\n  ${hint}\n`);
    // A launcher that notices a lost host by itself ends the job cleanly. If it is told to abort first, it waits for
    // that host.
    if (isSilent) setTimeout(() => this.#abort(EXIT_LOST), LAUNCHER_MILLISECONDS);
    else this.#abort(EXIT_LOST);
  }

  #abort(exitCode: number): void {
    // If even the abort hangs, the kernel ends this process.
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

/** The exit code of a user error: the user can start the job again. */
const EXIT_LOST = 2;
