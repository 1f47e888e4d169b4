/**
 * The forms that answers of the dashboard have in common: files, what is not there, and methods that an address does
 * not take.
 */
import { basename, extname } from "node:path";
import { Readable } from "node:stream";
import type { Context, Handler, Hono } from "hono";
import type { Failure } from "./protocol.ts";
import { openRegular } from "./safe-path.ts";

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

export function missing(context: Context): Response {
  return context.json({ error: "There is no such thing here", code: "missing-file" } satisfies Failure, 404);
}

/** The file at `path` as it is now, with its type; a file that grows meanwhile ends where it ended. */
export async function sendFile(context: Context, path: string | undefined, policy?: string): Promise<Response> {
  const file = path === undefined ? undefined : await openRegular(path);
  if (path === undefined || file === undefined) return missing(context);
  const { size } = await file.stat();
  const type = types[extname(path)] ?? "application/octet-stream";
  context.header("content-type", type);
  context.header("content-length", String(size));
  if (policy !== undefined) context.header("content-security-policy", policy);
  if (type === "application/octet-stream")
    context.header("content-disposition", `attachment; filename="${basename(path)}"`);
  if (context.req.method === "HEAD" || size === 0) {
    await file.close();
    return context.body(null);
  }
  return context.body(Readable.toWeb(file.createReadStream({ end: size - 1 })) as ReadableStream<Uint8Array>);
}

type Method = "get" | "post";

/**
 * Has `app` answer requests to `path`: each of `methods` by its handler, HEAD as GET without a body, OPTIONS with the
 * methods there are, and every other method with 405.
 */
export function route(app: Hono, path: string, methods: { readonly [M in Method]?: Handler }): void {
  const { get, post } = methods;
  if (get !== undefined) app.get(path, get);
  if (post !== undefined) app.post(path, post);
  const names = [...(get === undefined ? [] : ["GET", "HEAD"]), ...(post === undefined ? [] : ["POST"]), "OPTIONS"];
  const allow = names.join(", ");
  app.all(path, (context) => {
    context.header("allow", allow);
    if (context.req.method === "OPTIONS") return context.body(null, 204);
    const error = `This address takes ${allow} alone`;
    return context.json({ error, code: "bad-option" } satisfies Failure, 405);
  });
}
