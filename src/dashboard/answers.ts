/** Answers that several addresses of the dashboard share: files, "not found", and methods that are not allowed. */
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
  return context.json({ error: "Nothing was found at this address", code: "missing-file" } satisfies Failure, 404);
}

/** Sends the file at `path` with its type. If the file grows meanwhile, only its present length is sent. */
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
 * Adds handlers of `path` to `app`: those of `methods`, HEAD like GET but without a body, OPTIONS with the list of
 * methods, and status 405 for all others.
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
    const error = `This address accepts only the methods ${allow}`;
    return context.json({ error, code: "bad-option" } satisfies Failure, 405);
  });
}
