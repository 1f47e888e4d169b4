/** The HTTP server of the dashboard. */
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
/** Number of further ports to try if the default port is in use. */
const MORE_PORTS = 20;

/**
 * Time limits for receiving a request, and the interval at which they are checked, in milliseconds. An idle connection
 * is closed after at most 21 seconds. Answers, such as streams of events, have no time limit.
 */
const timeouts = { headersTimeout: 10_000, requestTimeout: 20_000, connectionsCheckingInterval: 1000 };

export interface DashboardOptions {
  /** Folder of the runs. It may not exist yet. */
  readonly runs: string;
  /** Default: 4040 or the next free port. 0: any free port. */
  readonly port?: number;
  /** Default 127.0.0.1. Any host but loopback requires a token. */
  readonly host?: string;
  /** The command that runs `espalier`, to start runs from the page. Without it the page cannot start runs. */
  readonly command?: Command;
  /** Folder of the built page; default: that of this package. */
  readonly page?: string;
  /** Called with faults whose details are not sent to the browser. */
  readonly onError?: (error: unknown) => void;
}

export interface Dashboard {
  /** Address to open in a browser; it contains the token, if there is one. */
  readonly address: string;
  /** Address of one run's page. */
  addressOf(run: string): string;
  /** Stops the runs that the page started, at a checkpoint, and then the server. */
  close(): Promise<void>;
}

/** Folder of the built page: beside the compiled server, or in `dist/` if the server runs from the sources. */
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
    hint: "Run: npm run build",
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
      throw new UserError("bad-option", "the server cannot listen on this address", {
        about: `${host}:${port}`,
        hint: "Choose another --port, or another --host",
        cause: error,
      });
    }
  }
}

/**
 * Starts the server.
 * @throws UserError "missing-file" if the page is not built, "bad-option" if it cannot listen on the host and port.
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
  const server = createServer(timeouts, getRequestListener(app.fetch, { overrideGlobalObjects: false }));
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
