/** Serves the dashboard over HTTP until it is closed. */
import { randomBytes } from "node:crypto";
import { access } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { getRequestListener } from "@hono/node-server";
import { UserError } from "../core/errors.ts";
import { systemCode } from "../data/files.ts";
import { createApp } from "./app.ts";
import { isLoopback } from "./auth.ts";
import { type Command, Launcher } from "./launcher.ts";
import { RunStore } from "./runs.ts";

export const DEFAULT_PORT = 4040;
export const DEFAULT_HOST = "127.0.0.1";
/** Ports tried after the default one is taken. */
const MORE_PORTS = 20;

/**
 * How long a connection may take to say what it asks for, and how often that is looked at, in milliseconds: one that
 * was opened and left is closed after at most 21 seconds. Answers, streams of events among them, may take as long as
 * they like.
 */
const patience = { headersTimeout: 10_000, requestTimeout: 20_000, connectionsCheckingInterval: 1000 };

export interface DashboardOptions {
  /** Folder of the runs; it need not be there yet. */
  readonly runs: string;
  /** Default 4040, or the next free one; 0 for any. */
  readonly port?: number;
  /** Default 127.0.0.1. Anything that is not loopback gets a token. */
  readonly host?: string;
  /** What runs `espalier`, for runs started from the page; without it the page only shows them. */
  readonly command?: Command;
  /** The page as built; default that of this package. */
  readonly page?: string;
  /** Hears of faults that visitors are told nothing about. */
  readonly onError?: (error: unknown) => void;
}

export interface Dashboard {
  /** To be opened in a browser; with the token, if there is one. */
  readonly address: string;
  /** Address of one run's page. */
  addressOf(run: string): string;
  /** Stops the runs started from the page at a checkpoint, then the server. */
  close(): Promise<void>;
}

/** Beside the compiled server, or, run from the sources, where the build puts it. */
async function builtPage(): Promise<string> {
  for (const place of ["./page/", "../../dist/dashboard/page/"]) {
    const folder = fileURLToPath(new URL(place, import.meta.url));
    const isThere = await access(join(folder, "index.html")).then(
      () => true,
      () => false,
    );
    if (isThere) return folder;
  }
  throw new UserError("missing-file", "the page is not built", {
    about: "dist/dashboard/page",
    hint: "Type: npm run build",
  });
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

async function listenNear(server: Server, host: string, wanted: number | undefined): Promise<number> {
  const last = wanted === undefined ? DEFAULT_PORT + MORE_PORTS : wanted;
  for (let port = wanted ?? DEFAULT_PORT; ; port++) {
    try {
      return await listen(server, port, host);
    } catch (error) {
      if (systemCode(error) === "EADDRINUSE" && port < last) continue;
      throw new UserError("bad-option", "cannot listen there", {
        about: `${host}:${port}`,
        hint: "Choose another --port, or another --host",
        cause: error,
      });
    }
  }
}

/**
 * Starts to serve.
 * @throws UserError "missing-file" if the page is not built, "bad-option" if nothing can listen at host and port.
 */
export async function openDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { runs, port, host = DEFAULT_HOST, command, onError = () => {} } = options;
  const onLoopback = isLoopback(host);
  const token = onLoopback ? undefined : randomBytes(24).toString("base64url");
  const launcher = command === undefined ? undefined : new Launcher(runs, command, onError);
  const ending = new AbortController();
  const app = createApp({
    ...{ store: new RunStore(runs), launcher, token, onLoopback, onError },
    page: options.page ?? (await builtPage()),
    signal: ending.signal,
  });
  const server = createServer(patience, getRequestListener(app.fetch, { overrideGlobalObjects: false }));
  const bound = await listenNear(server, host, port);
  const base = `http://${host.includes(":") ? `[${host}]` : host}:${bound}`;
  const query = token === undefined ? "" : `?token=${token}`;
  return {
    address: `${base}/${query}`,
    addressOf: (run) => `${base}/run/${encodeURIComponent(run)}${query}`,
    close: async () => {
      await launcher?.close();
      ending.abort();
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      server.closeAllConnections();
      await closed;
    },
  };
}
