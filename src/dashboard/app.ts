/** The routes of the dashboard: the page, its requests under `/api/`, and the files of runs under `/runs/`. */
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { type Context, type Handler, Hono } from "hono";
import { compress } from "hono/compress";
import { EspalierError, UserError } from "../core/errors.ts";
import { datasetNames } from "../data/open.ts";
import { modelNames } from "../models/zoo.ts";
import { recipes } from "../training/settings/recipes.ts";
import { missing, route, sendFile } from "./answers.ts";
import { FILE_POLICY, headers, knowsToken, sameSite } from "./auth.ts";
import { limited, RequestError, readJson } from "./body.ts";
import { fieldGroups } from "./fields.ts";
import { FormError, parseForm } from "./form.ts";
import { alreadyTrained, type Launcher } from "./launcher.ts";
import { NetworkReader } from "./network.ts";
import { TimingPlans, tableFrom } from "./plans.ts";
import type { Failure, FormOptions, RunDetail, RunStatus } from "./protocol.ts";
import { detailOf, type Follower, isWhole, type RunStore, stateOf } from "./runs.ts";
import { confined } from "./safe-path.ts";
import { streamEvents } from "./stream.ts";
import { ImageReader } from "./test-images.ts";

export interface AppOptions {
  readonly store: RunStore;
  /** Starts runs. Without it, the page only shows runs. */
  readonly launcher: Launcher | undefined;
  /** Folder of the built page. */
  readonly page: string;
  /** If set, requests must have it. */
  readonly token: string | undefined;
  readonly onLoopback: boolean;
  /** Aborted when the server closes. */
  readonly signal: AbortSignal;
  /** Called with faults whose details are not sent to the browser. */
  readonly onError: (error: unknown) => void;
}

export function createApp(options: AppOptions): Hono {
  const { store, launcher, page, token, onLoopback, signal, onError } = options;
  const networks = new NetworkReader();
  const images = new ImageReader();
  const plans = new TimingPlans();
  const app = new Hono();
  app.use(headers());
  app.use(sameSite(onLoopback));
  if (token !== undefined) app.use(knowsToken(token));
  app.use(limited());

  app.onError((error, context) => {
    if (error instanceof FormError) {
      // This message is about the form only, so it may be sent to any browser.
      const { message, code, field } = error;
      return context.json({ error: message, code, field } satisfies Failure, 422);
    }
    if (error instanceof RequestError) {
      return context.json({ error: error.message, code: error.code } satisfies Failure, error.status);
    }
    if (error instanceof UserError) {
      // Other messages contain paths of files, which browsers on other machines should not see.
      const message = onLoopback ? error.message : `The server could not do this (${error.code}); see its terminal`;
      if (!onLoopback) onError(error);
      return context.json({ error: message, code: error.code } satisfies Failure, 422);
    }
    onError(error);
    const code = error instanceof EspalierError ? error.code : "internal";
    return context.json({ error: "A fault in Espalier; see the server's terminal", code } satisfies Failure, 500);
  });

  const isOurs = (name: string): boolean => launcher?.isRunning(name) ?? false;
  /** A run that was started here counts as training until its process ends. Only then can it be resumed. */
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
  route(api, "/runs", {
    get: async (context) => context.json({ runs: await store.list() }),
    post: async (context) => {
      if (launcher === undefined) return missing(context);
      const form = parseForm(await readJson(context));
      return context.json({ name: await launcher.start(form), state: "starting", message: null }, 202);
    },
  });
  route(api, "/options", { get: (context) => context.json(formOptions()) });
  route(api, "/runs/:name", {
    get: (context) =>
      withRun(context, async (follower, name) =>
        context.json({ ...(await detailOf(name, follower)), ...(await statusOf(follower, name)) } satisfies RunDetail),
      ),
  });
  route(api, "/runs/:name/events", {
    get: (context) =>
      withRun(context, (follower, name) => streamEvents(context, follower, () => statusOf(follower, name), signal)),
  });
  route(api, "/runs/:name/network", {
    get: (context) =>
      withRun(context, async ({ folder }) => {
        const network = await networks.read(folder);
        return context.json(network ?? null);
      }),
  });
  route(api, "/runs/:name/levels", {
    get: (context) =>
      withRun(context, async (follower) => {
        await follower.catchUp();
        return context.json(follower.levels.table());
      }),
  });
  route(api, "/runs/:name/images", {
    get: (context) =>
      withRun(context, async ({ folder }) => {
        const network = await networks.read(folder);
        const shown = network === undefined ? undefined : await images.read(folder, network.skeleton.input);
        return shown === undefined ? missing(context) : context.json(shown);
      }),
  });
  const planOf = async (context: Context, kept: ReturnType<TimingPlans["ofModel"]>): Promise<Response> => {
    const known = await kept;
    if (known === undefined) return missing(context);
    return context.json(context.req.method === "POST" ? tableFrom(known, await readJson(context)) : known.plan);
  };
  const ofRun: Handler = (context) => withRun(context, ({ folder }) => planOf(context, plans.ofRun(folder)));
  const ofModel: Handler = (context) => planOf(context, plans.ofModel(context.req.param("name") ?? ""));
  route(api, "/runs/:name/timing", { get: ofRun, post: ofRun });
  route(api, "/models/:name/timing", { get: ofModel, post: ofModel });
  route(api, "/started/:name", {
    get: async (context) => {
      const started = await launcher?.status(context.req.param("name") ?? "");
      if (started === undefined) return missing(context);
      // The message of the process may contain paths of files.
      const isPublic = onLoopback || started.message === null;
      return context.json(isPublic ? started : { ...started, message: "The run failed; see the server's terminal" });
    },
  });
  route(api, "/runs/:name/resume", {
    post: (context) =>
      withRun(context, async (follower, name) => {
        if (launcher === undefined || !(await isWhole(follower.folder))) return missing(context);
        if ((await statusOf(follower, name)).state === "training") throw alreadyTrained(name);
        launcher.resume(name);
        return context.json({ name, state: "starting", message: null }, 202);
      }),
  });
  route(api, "/runs/:name/stop", {
    post: (context) =>
      withRun(context, (_follower, name) => {
        if (launcher?.stop(name) === true) return context.json({ name }, 202);
        const error = "This run was not started on this page: stop it with Ctrl-C in its terminal";
        return context.json({ error, code: "bad-option" } satisfies Failure, 409);
      }),
  });
  api.all("*", missing);
  app.route("/api", api);

  route(app, "/runs/*", {
    get: async (context) => {
      const path = new URL(context.req.url).pathname.slice("/runs/".length);
      return sendFile(context, await confined(store.root, path, "file"), FILE_POLICY);
    },
  });
  route(app, "/ort/:file", {
    get: async (context) => {
      const file = await confined(page, new URL(context.req.url).pathname.slice(1), "file");
      if (file !== undefined) context.header("cache-control", "public, max-age=3600");
      return sendFile(context, file);
    },
  });
  app.use("/assets/*", compress());
  route(app, "/assets/*", {
    get: async (context) => {
      const file = await confined(page, new URL(context.req.url).pathname.slice(1), "file");
      // The names of these files contain a hash of their content.
      if (file !== undefined) context.header("cache-control", "public, max-age=31536000, immutable");
      return sendFile(context, file);
    },
  });
  // The page itself interprets all other addresses.
  route(app, "*", { get: async (context) => context.html(await readFile(join(page, "index.html"), "utf8")) });
  return app;
}

function formOptions(): FormOptions {
  return {
    groups: fieldGroups,
    models: modelNames,
    datasets: datasetNames,
    recipes: recipes().map(({ name, description, model, data = null, settings: { epochs } }) => ({
      ...{ name, description, model, data, epochs },
    })),
  };
}

/** Streams of events are not compressed, because compression would delay them until its buffer is full. */
function compressAllButStreams(): ReturnType<typeof compress> {
  const compressing = compress();
  return (context, next) => (context.req.path.endsWith("/events") ? next() : compressing(context, next));
}
