/**
 * A sweep whose runs are distributed over ranks: each rank trains one run at a time, alone. Five times a second all
 * ranks exchange messages. All see the same messages, so each rank computes the assignment of runs by itself: there is
 * no scheduler.
 */
import { setTimeout } from "node:timers/promises";
import { EspalierError, UserError } from "../core/errors.ts";
import { type Cluster, failTogether } from "../distributed/cluster.ts";
import { SingleProcess } from "../distributed/single-process.ts";
import type { RunEvent } from "../training/events/events.ts";
import { SweepBoard } from "./sweep-board.ts";
import type { SweepHooks, SweepNews, SweepReport } from "./sweep-report.ts";
import { carryOut, reportOf, type SweepGround, settledNews } from "./sweep-task.ts";

const EXCHANGE_MILLISECONDS = 200;

type Message =
  | { readonly kind: "report"; readonly report: SweepReport }
  | { readonly kind: "event"; readonly event: RunEvent; readonly name: string }
  | { readonly kind: "stopped"; readonly index: number };

/** The contribution of a rank to one exchange of messages. */
interface Told {
  readonly messages: readonly Message[];
  /** Whether the rank was asked to stop. */
  readonly isStopping: boolean;
}

/**
 * Carries out the runs of `ground` that are left.
 * @returns the last report of each run, on every rank.
 * @throws UserError "interrupted" on all ranks, once one of them was asked to stop and every run has its checkpoint.
 */
export async function sweepByRanks(
  cluster: Cluster,
  ground: SweepGround,
  { signal, onRun, onEvent }: SweepHooks,
): Promise<readonly SweepReport[]> {
  const worker = new Worker(cluster, ground);
  const board = new SweepBoard(
    ground.runs.map(({ run }) => run),
    cluster.size,
  );
  const handle = (message: Message): void => {
    if (message.kind === "stopped") board.stop(message.index);
    if (message.kind === "report") board.update(message.report);
    if (!cluster.isFirst) return;
    if (message.kind === "report") onRun?.(message.report);
    if (message.kind === "event") onEvent?.(message.event, message.name);
  };
  try {
    while (!board.isOver) {
      const told = await cluster.gather<Told>({ messages: worker.take(), isStopping: signal?.aborted === true });
      for (const { messages } of told) for (const message of messages) handle(message);
      if (told.some(({ isStopping }) => isStopping)) worker.stop();
      if (worker.isStopping && board.isIdle) await failTogether(cluster, stopped(ground));
      if (!worker.isStopping) assignRuns(board, ground, worker, handle);
      if (!board.isOver) await setTimeout(EXCHANGE_MILLISECONDS);
    }
    return board.reports;
  } finally {
    // After an error too, no run may continue in the background.
    worker.stop();
    await worker.done();
  }
}

function assignRuns(board: SweepBoard, ground: SweepGround, worker: Worker, handle: (message: Message) => void): void {
  let isSettled = false;
  // A run that needs no training is over at once, and another run may have waited for it.
  do {
    isSettled = false;
    for (const { rank, index } of board.assign()) {
      const planned = ground.runs[index];
      const news = planned && settledNews(planned, ground, board.reports);
      if (news !== undefined) {
        handle({ kind: "report", report: reportOf(ground, index, news) });
        isSettled = true;
      } else worker.start(rank, index, board.reports);
    }
  } while (isSettled);
}

/** The run of this rank, and its messages for the other ranks. */
class Worker {
  readonly #cluster: Cluster;
  readonly #ground: SweepGround;
  readonly #stopping = new AbortController();
  #messages: Message[] = [];
  #work: Promise<void> = Promise.resolve();

  constructor(cluster: Cluster, ground: SweepGround) {
    this.#cluster = cluster;
    this.#ground = ground;
  }

  get isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  take(): readonly Message[] {
    const messages = this.#messages;
    this.#messages = [];
    return messages;
  }

  stop(): void {
    this.#stopping.abort();
  }

  done(): Promise<void> {
    return this.#work;
  }

  /** Starts the run at `index` if `rank` is this one. */
  start(rank: number, index: number, reports: readonly SweepReport[]): void {
    if (rank === this.#cluster.rank) this.#work = this.#carryOut(index, reports);
  }

  async #carryOut(index: number, reports: readonly SweepReport[]): Promise<void> {
    const planned = this.#ground.runs[index];
    if (planned === undefined) return;
    const { rank, peers } = this.#cluster;
    const threads = planned.run.settings.threads ?? this.#cluster.threads;
    const by = { rank, host: peers[rank]?.host ?? "" };
    const tell = (news: SweepNews): void => {
      this.#messages.push({ kind: "report", report: reportOf(this.#ground, index, news, by) });
    };
    try {
      await carryOut({
        ...{ ...planned, ground: this.#ground, reports, tell, cluster: new SingleProcess(threads) },
        hooks: {
          alone: { threads },
          signal: this.#stopping.signal,
          onEvent: (event) => this.#messages.push({ kind: "event", event, name: planned.run.name }),
        },
      });
    } catch (error) {
      if (!(error instanceof EspalierError && error.code === "interrupted")) throw error;
      this.#messages.push({ kind: "stopped", index });
    }
  }
}

function stopped({ folder }: SweepGround): UserError {
  return new UserError("interrupted", "the sweep was stopped; each unfinished run has a checkpoint", {
    about: folder,
    hint: `Continue with "espalier sweep ${folder} --parallel runs", launched as before`,
  });
}
