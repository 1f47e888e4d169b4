/** The dashboard's answers: the page, what it asks for under `/api/`, and the files of runs under `/runs/`. */
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, extname, join } from "node:path";
import { Readable } from "node:stream";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { compress } from "hono/compress";
import { EspalierError, UserError } from "../core/errors.ts";
import { datasetNames } from "../data/open.ts";
import { modelNames } from "../models/zoo.ts";
import { recipes } from "../training/recipes.ts";
import { confined } from "./confine.ts";
import { FormError, parseForm } from "./form.ts";
import { FILE_POLICY, headers, knowsToken, sameSite } from "./guard.ts";
import { alreadyTrained, type Launcher } from "./launcher.ts";
import { NetworkReader } from "./network.ts";
import type { Failure, FormOptions, RunDetail, RunStatus } from "./protocol.ts";
import { detailOf, type Follower, type RunStore, stateOf } from "./runs.ts";
import { streamEvents } from "./stream.ts";
import { ImageReader } from "./test-images.ts";

export interface AppOptions {
  readonly store: RunStore;
  /** Starts runs; without one, the page only shows them. */
  readonly launcher: Launcher | undefined;
  /** The page as built. */
  readonly page: string;
  /** Asked for if it is set. */
  readonly token: string | undefined;
  readonly onLoopback: boolean;
  /** Aborted when the server ends. */
  readonly signal: AbortSignal;
  /** Hears of faults of ours, which visitors are told nothing about. */
  readonly onError: (error: unknown) => void;
}

const FORM_BYTES = 16_384;

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
  ".json": "application/json; charset=utf-8",
  ".jsonl": "text/plain; charset=utf-8",
};

/** Files of ONNX Runtime that a page may load. */
const RUNTIME_FILE =
  /^ort(\.webgpu|\.wasm)?\.min\.mjs$|^ort-wasm-simd-threaded(\.asyncify|\.jsep|\.jspi)?\.(mjs|wasm)$/;
const runtimeFolder = dirname(createRequire(import.meta.url).resolve("onnxruntime-web/wasm"));

async function sendFile(context: Context, path: string, policy?: string): Promise<Response> {
  const { size } = await stat(path);
  const type = types[extname(path)] ?? "application/octet-stream";
  context.header("content-type", type);
  context.header("content-length", String(size));
  if (policy !== undefined) context.header("content-security-policy", policy);
  if (type === "application/octet-stream")
    context.header("content-disposition", `attachment; filename="${basename(path)}"`);
  if (context.req.method === "HEAD") return context.body(null);
  return context.body(Readable.toWeb(createReadStream(path)) as ReadableStream<Uint8Array>);
}

function missing(context: Context): Response {
  return context.json({ error: "There is no such thing here", code: "missing-file" } satisfies Failure, 404);
}

export function createApp(options: AppOptions): Hono {
  const { store, launcher, page, token, onLoopback, signal, onError } = options;
  const networks = new NetworkReader();
  const images = new ImageReader();
  const app = new Hono();
  app.use(headers());
  app.use(sameSite(onLoopback));
  if (token !== undefined) app.use(knowsToken(token));

  app.onError((error, context) => {
    if (error instanceof FormError) {
      // It speaks of what was sent, and of nothing else.
      const { message, code, field } = error;
      return context.json({ error: message, code, field } satisfies Failure, 422);
    }
    if (error instanceof UserError) {
      // Messages name files; a visitor from elsewhere has no use for where they are.
      const message = onLoopback
        ? error.message
        : `The server could not do that (${error.code}); its terminal says why`;
      if (!onLoopback) onError(error);
      return context.json({ error: message, code: error.code } satisfies Failure, 422);
    }
    onError(error);
    const code = error instanceof EspalierError ? error.code : "internal";
    return context.json({ error: "A fault of ours; the server's terminal says more", code } satisfies Failure, 500);
  });

  const isOurs = (name: string): boolean => launcher?.isRunning(name) ?? false;
  /** A run of ours is trained until its process has ended: only then can it be resumed. */
  const statusOf = async (follower: Follower, name: string): Promise<RunStatus> =>
    isOurs(name) ? { state: "training", isOurs: true } : { state: await stateOf(follower), isOurs: false };
  const withRun = async (
    context: Context,
    use: (follower: Follower, name: string) => Promise<Response> | Response,
  ): Promise<Response> => {
    const raw = new URL(context.req.url).pathname.split("/")[3] ?? "";
    const follower = await store.find(raw);
    return follower === undefined ? missing(context) : use(follower, basename(follower.folder));
  };

  const api = new Hono();
  api.use(compressAllButStreams());
  api.use(
    bodyLimit({
      maxSize: FORM_BYTES,
      onError: (context) => context.json({ error: "The form is too large", code: "bad-option" }, 413),
    }),
  );
  api.get("/runs", async (context) => context.json({ runs: await store.list() }));
  api.get("/options", (context) => context.json(formOptions()));
  api.get("/runs/:name", (context) =>
    withRun(context, async (follower, name) =>
      context.json({ ...(await detailOf(name, follower)), ...(await statusOf(follower, name)) } satisfies RunDetail),
    ),
  );
  api.get("/runs/:name/events", (context) =>
    withRun(context, (follower, name) => streamEvents(context, follower, () => statusOf(follower, name), signal)),
  );
  api.get("/runs/:name/network", (context) =>
    withRun(context, async ({ folder }) => {
      const network = await networks.read(folder);
      return context.json(network ?? null);
    }),
  );
  api.get("/runs/:name/levels", (context) =>
    withRun(context, async (follower) => {
      await follower.catchUp();
      return context.json(follower.levels.table());
    }),
  );
  api.get("/runs/:name/images", (context) =>
    withRun(context, async ({ folder }) => {
      const network = await networks.read(folder);
      return network === undefined ? missing(context) : context.json(await images.read(folder, network.skeleton.input));
    }),
  );
  api.get("/started/:name", async (context) => {
    const started = await launcher?.look(context.req.param("name"));
    if (started === undefined) return missing(context);
    // What the process said names files.
    const isTold = onLoopback || started.message === null;
    return context.json(isTold ? started : { ...started, message: "It failed; the server's terminal says why" });
  });
  api.post("/runs", async (context) => {
    if (launcher === undefined) return missing(context);
    const form = parseForm(await readJson(context));
    return context.json({ name: await launcher.start(form), state: "starting", message: null }, 202);
  });
  api.post("/runs/:name/resume", (context) =>
    withRun(context, async (follower, name) => {
      if (launcher === undefined) return missing(context);
      if ((await statusOf(follower, name)).state === "training") {
        throw alreadyTrained(name);
      }
      launcher.resume(name);
      return context.json({ name, state: "starting", message: null }, 202);
    }),
  );
  api.post("/runs/:name/stop", (context) =>
    withRun(context, (_follower, name) => {
      if (launcher?.stop(name) === true) return context.json({ name }, 202);
      const error = "This run was not started here: stop it where it runs, with Ctrl-C";
      return context.json({ error, code: "bad-option" } satisfies Failure, 409);
    }),
  );
  api.all("*", missing);
  app.route("/api", api);

  app.get("/runs/*", async (context) => {
    const path = new URL(context.req.url).pathname.slice("/runs/".length);
    const file = await confined(store.root, path, "file");
    return file === undefined ? missing(context) : sendFile(context, file, FILE_POLICY);
  });
  app.get("/ort/:file", (context) => {
    const file = context.req.param("file");
    if (!RUNTIME_FILE.test(file)) return missing(context);
    context.header("cache-control", "public, max-age=3600");
    return sendFile(context, join(runtimeFolder, file));
  });
  app.get("/assets/*", compress(), async (context) => {
    const file = await confined(page, new URL(context.req.url).pathname.slice(1), "file");
    if (file === undefined) return missing(context);
    // Their names hold a hash of what is in them.
    context.header("cache-control", "public, max-age=31536000, immutable");
    return sendFile(context, file);
  });
  // Every other address is the page's own to interpret.
  app.get("*", async (context) => context.html(await readFile(join(page, "index.html"), "utf8")));
  return app;
}

function formOptions(): FormOptions {
  return {
    models: modelNames,
    datasets: datasetNames,
    recipes: recipes().map(({ name, description, model, data = null, settings: { epochs } }) => ({
      ...{ name, description, model, data, epochs },
    })),
  };
}

/** Compression would hold back events until there are enough of them. */
function compressAllButStreams(): ReturnType<typeof compress> {
  const compressing = compress();
  return (context, next) => (context.req.path.endsWith("/events") ? next() : compressing(context, next));
}

async function readJson(context: Context): Promise<unknown> {
  if (!/^application\/json\b/.test(context.req.header("content-type") ?? "")) {
    throw new UserError("bad-option", "the form has to be sent as JSON", {
      expected: "application/json",
      hint: "Send it with the content type application/json",
    });
  }
  try {
    return await context.req.json();
  } catch (cause) {
    throw new UserError("bad-option", "the form is no JSON", { hint: "Send a JSON object", cause });
  }
}
