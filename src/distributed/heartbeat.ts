/**
 * Detects lost ranks: a process that died, a host that was switched off, a cable that was pulled. MPI's own calls would
 * wait for such a rank forever. Over separate TCP connections, every rank sends a beat to rank 0 each second, and rank
 * 0 sends one to every rank.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { performance } from "node:perf_hooks";
import type { Messages } from "./messages.ts";

const BEAT_MILLISECONDS = 1000;
/** A rank is lost after this long without a beat. */
const SILENCE_MILLISECONDS = 10_000;
/**
 * The main thread sends the beats. If its timer is later than this, this process itself stood still, and silence of the
 * others means nothing.
 */
const OWN_DELAY_MILLISECONDS = 3000;
const CONNECT_MILLISECONDS = 3000;
const [BEAT, LEAVING] = [".", "x"];

export interface HeartbeatOptions {
  readonly rank: number;
  readonly size: number;
  readonly messages: Messages;
  /** Called at most once. `isSilent`: no beat arrived, but the rank may still run. */
  readonly onLost: (rank: number, reason: string, isSilent: boolean) => void;
}

/** One end of the connection between rank 0 and another rank. */
interface Connection {
  readonly peer: number;
  readonly socket: Socket;
  heardAt: number;
  isLeaving: boolean;
}

interface ListeningAddress {
  readonly port: number;
  readonly addresses: readonly string[];
  readonly token: string;
}

export class Heartbeat {
  readonly #onLost: HeartbeatOptions["onLost"];
  readonly #connections: Connection[] = [];
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
   * Starts to send beats. All ranks must call this together. Also returns the ranks that cannot connect to rank 0:
   * these are not monitored, and only MPI can report their loss.
   */
  static async start({ rank, size, messages, onLost }: HeartbeatOptions): Promise<[Heartbeat, readonly number[]]> {
    const heartbeat = new Heartbeat(onLost);
    const address = rank === 0 ? await heartbeat.#listen(size) : undefined;
    const received = await messages.broadcast(address && new TextEncoder().encode(JSON.stringify(address)));
    const isMonitored =
      rank === 0 ||
      (await heartbeat.#connect(rank, JSON.parse(new TextDecoder().decode(received)) as ListeningAddress));
    const monitored = await messages.gather(isMonitored);
    return [heartbeat, monitored.flatMap((isConnected, index) => (isConnected ? [] : [index]))];
  }

  /** Tells the other ranks that this one leaves. From now on no rank is reported as lost. */
  stop(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
    for (const { socket } of this.#connections) socket.end(LEAVING);
    this.#server?.close();
  }

  async #listen(size: number): Promise<ListeningAddress> {
    const token = randomBytes(16).toString("hex");
    const server = createServer((socket) => this.#identify(socket, token, size));
    this.#server = server;
    server.unref();
    server.listen(0);
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const reachable = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
    // Addresses in networks of other hosts come first; the loopback address is for ranks on this host.
    const addresses = reachable
      .toSorted((a, b) => Number(a.internal) - Number(b.internal))
      .map((entry) => entry.address);
    return { port, addresses, token };
  }

  /** Accepts a connection that sends the token and its rank; closes any other connection. */
  #identify(socket: Socket, token: string, size: number): void {
    let said = "";
    const listen = (data: Buffer): void => {
      said += data.toString("latin1");
      const end = said.indexOf("\n");
      if (end < 0 && said.length < 100) return;
      socket.off("data", listen);
      const [word, number] = said.slice(0, Math.max(0, end)).split(" ");
      const peer = Number(number);
      if (word === token && peer > 0 && peer < size) this.#monitor(peer, socket);
      else socket.destroy();
    };
    socket.unref();
    socket.on("data", listen);
    socket.on("error", () => {});
  }

  async #connect(rank: number, { port, addresses, token }: ListeningAddress): Promise<boolean> {
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
      this.#monitor(0, socket);
      return true;
    }
    return false;
  }

  #monitor(peer: number, socket: Socket): void {
    const connection: Connection = { peer, socket, heardAt: performance.now(), isLeaving: false };
    this.#connections.push(connection);
    socket.setNoDelay(true);
    socket.on("data", (data: Buffer) => {
      connection.heardAt = performance.now();
      if (data.includes(LEAVING ?? "")) connection.isLeaving = true;
    });
    // The close event that follows an error reports the loss.
    socket.on("error", () => {});
    socket.on("close", () => {
      if (!connection.isLeaving) this.#reportLost(peer, "its process has ended", false);
    });
  }

  #beat(): void {
    const now = performance.now();
    // This process stood still too, for example behind a closed laptop lid or in a debugger.
    const stoodStill = now - this.#tickedAt > BEAT_MILLISECONDS + OWN_DELAY_MILLISECONDS;
    this.#tickedAt = now;
    for (const connection of this.#connections) {
      if (connection.isLeaving) continue;
      if (stoodStill) connection.heardAt = now;
      if (now - connection.heardAt > SILENCE_MILLISECONDS) {
        this.#reportLost(
          connection.peer,
          `it sent no sign of life for ${Math.round((now - connection.heardAt) / 1000)} s`,
          true,
        );
      } else connection.socket.write(BEAT ?? "");
    }
  }

  #reportLost(peer: number, reason: string, isSilent: boolean): void {
    if (this.#isOver) return;
    this.stop();
    this.#onLost(peer, reason, isSilent);
  }
}
