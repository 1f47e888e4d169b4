/**
 * Notices ranks that are gone: one that died, a host that was switched off, a cable that was pulled. MPI's own calls
 * would wait for them for ever. Rank 0 hears a beat from every rank each second over a connection of their own, and
 * they hear rank 0's.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { performance } from "node:perf_hooks";
import type { Messages } from "./messages.ts";

const BEAT_MILLISECONDS = 1000;
/** A rank unheard of for so long is lost. */
const SILENCE_MILLISECONDS = 10_000;
/**
 * Beats come from the thread that does everything but compute; this much later than due, it was not the others that
 * stood still.
 */
const OWN_DELAY_MILLISECONDS = 3000;
const CONNECT_MILLISECONDS = 3000;
const [BEAT, LEAVING] = [".", "x"];

export interface HeartbeatOptions {
  readonly rank: number;
  readonly size: number;
  readonly messages: Messages;
  /** Called at most once. `isSilent`: nothing is heard of it, but it may still be there. */
  readonly onLost: (rank: number, reason: string, isSilent: boolean) => void;
}

/** One side of a connection between rank 0 and another rank. */
interface Line {
  readonly peer: number;
  readonly socket: Socket;
  heardAt: number;
  isLeaving: boolean;
}

interface Meeting {
  readonly port: number;
  readonly addresses: readonly string[];
  readonly token: string;
}

export class Heartbeat {
  readonly #onLost: HeartbeatOptions["onLost"];
  readonly #lines: Line[] = [];
  readonly #timer: NodeJS.Timeout;
  #server: Server | undefined;
  #tickedAt = performance.now();
  #isOver = false;

  private constructor(onLost: HeartbeatOptions["onLost"]) {
    this.#onLost = onLost;
    this.#timer = setInterval(() => this.#beat(), BEAT_MILLISECONDS);
    this.#timer.unref();
  }

  /**
   * Starts beating, on every rank at once. Ranks that cannot connect to rank 0 go without, and are given back: of those
   * it is only known that they are gone when MPI says so.
   */
  static async start({ rank, size, messages, onLost }: HeartbeatOptions): Promise<[Heartbeat, readonly number[]]> {
    const heartbeat = new Heartbeat(onLost);
    const meeting = rank === 0 ? await heartbeat.#listen(size) : undefined;
    const told = await messages.broadcast(meeting && new TextEncoder().encode(JSON.stringify(meeting)));
    const isHeard =
      rank === 0 || (await heartbeat.#connect(rank, JSON.parse(new TextDecoder().decode(told)) as Meeting));
    const heard = await messages.gather(isHeard);
    return [heartbeat, heard.flatMap((isOne, index) => (isOne ? [] : [index]))];
  }

  /** Says goodbye: from now on nobody is missed. */
  stop(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
    for (const { socket } of this.#lines) socket.end(LEAVING);
    this.#server?.close();
  }

  async #listen(size: number): Promise<Meeting> {
    const token = randomBytes(16).toString("hex");
    const server = createServer((socket) => this.#greet(socket, token, size));
    this.#server = server;
    server.unref();
    server.listen(0);
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const reachable = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
    // Those of other hosts' networks first; the loop is for ranks on this host.
    const addresses = reachable
      .toSorted((a, b) => Number(a.internal) - Number(b.internal))
      .map((entry) => entry.address);
    return { port, addresses, token };
  }

  /** Whoever knows the token may say which rank it is; anything else on the port is hung up on. */
  #greet(socket: Socket, token: string, size: number): void {
    let said = "";
    const listen = (data: Buffer): void => {
      said += data.toString("latin1");
      const end = said.indexOf("\n");
      if (end < 0 && said.length < 100) return;
      socket.off("data", listen);
      const [word, number] = said.slice(0, Math.max(0, end)).split(" ");
      const peer = Number(number);
      if (word === token && peer > 0 && peer < size) this.#follow(peer, socket);
      else socket.destroy();
    };
    socket.unref();
    socket.on("data", listen);
    socket.on("error", () => {});
  }

  async #connect(rank: number, { port, addresses, token }: Meeting): Promise<boolean> {
    for (const host of addresses) {
      const socket = createConnection({ host, port, timeout: CONNECT_MILLISECONDS });
      try {
        socket.once("timeout", () => socket.destroy(new Error("no answer")));
        await once(socket, "connect");
      } catch {
        socket.destroy();
        continue;
      }
      socket.setTimeout(0);
      socket.unref();
      socket.write(`${token} ${rank}\n`);
      this.#follow(0, socket);
      return true;
    }
    return false;
  }

  #follow(peer: number, socket: Socket): void {
    const line: Line = { peer, socket, heardAt: performance.now(), isLeaving: false };
    this.#lines.push(line);
    socket.setNoDelay(true);
    socket.on("data", (data: Buffer) => {
      line.heardAt = performance.now();
      if (data.includes(LEAVING ?? "")) line.isLeaving = true;
    });
    // What went wrong is told by the closing that follows.
    socket.on("error", () => {});
    socket.on("close", () => {
      if (!line.isLeaving) this.#lose(peer, "its process has ended", false);
    });
  }

  #beat(): void {
    const now = performance.now();
    // Everything stood still, this process among it: a laptop's lid, a debugger.
    const stoodStill = now - this.#tickedAt > BEAT_MILLISECONDS + OWN_DELAY_MILLISECONDS;
    this.#tickedAt = now;
    for (const line of this.#lines) {
      if (line.isLeaving) continue;
      if (stoodStill) line.heardAt = now;
      if (now - line.heardAt > SILENCE_MILLISECONDS) {
        this.#lose(line.peer, `nothing was heard of it for ${Math.round((now - line.heardAt) / 1000)} s`, true);
      } else line.socket.write(BEAT ?? "");
    }
  }

  #lose(peer: number, reason: string, isSilent: boolean): void {
    if (this.#isOver) return;
    this.stop();
    this.#onLost(peer, reason, isSilent);
  }
}
