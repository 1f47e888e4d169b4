/**
 * Access control. A page of another site must not read or start runs through the user's browser: neither with its own
 * requests (checked by Origin), nor through a host name that points to this server (checked by Host). A server that is
 * not on loopback also requires a token.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { getCookie, setCookie } from "hono/cookie";

const TOKEN_COOKIE = "espalier_token";
const LOOPBACK: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);

export function isLoopback(hostname: string): boolean {
  return LOOPBACK.has(hostname) || hostname === "::1";
}

/** Allows scripts, styles and requests of this server only, and WebAssembly for ONNX Runtime in our own workers. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** For files of runs: a report contains its styles. It may not run scripts or load anything. */
export const FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";

/** Sets the headers of every answer. Handlers may set their own policy. */
export function headers(): MiddlewareHandler {
  return async (context, next) => {
    await next();
    const { headers: own } = context.res;
    if (!own.has("content-security-policy")) own.set("content-security-policy", PAGE_POLICY);
    own.set("x-content-type-options", "nosniff");
    own.set("referrer-policy", "no-referrer");
    own.set("x-frame-options", "DENY");
    // WebAssembly threads need shared memory, which browsers allow only on isolated pages.
    own.set("cross-origin-opener-policy", "same-origin");
    own.set("cross-origin-embedder-policy", "require-corp");
    own.set("cross-origin-resource-policy", "same-origin");
    if (!own.has("cache-control")) own.set("cache-control", "no-store");
  };
}

function hostnameOf(host: string): string | undefined {
  try {
    const url = new URL(`http://${host}`);
    return url.host === host.toLowerCase() || `${url.hostname}:80` === host.toLowerCase() ? url.hostname : undefined;
  } catch {
    return undefined;
  }
}

/** Refuses other host names on loopback, other origins, and requests that change something without an origin. */
export function sameSite(onLoopback: boolean): MiddlewareHandler {
  return async (context, next) => {
    const host = context.req.header("host") ?? "";
    const hostname = hostnameOf(host);
    if (hostname === undefined || (onLoopback && !LOOPBACK.has(hostname))) {
      return context.json({ error: "This server does not serve that host name", code: "bad-host" }, 403);
    }
    const origin = context.req.header("origin");
    const isRead = context.req.method === "GET" || context.req.method === "HEAD";
    const site = context.req.header("sec-fetch-site");
    const isOwn = origin === undefined ? isRead : origin === `http://${host}` || origin === `https://${host}`;
    // Other sites may link to the page. All their other requests are refused.
    const isLink = isRead && context.req.header("sec-fetch-mode") === "navigate";
    const isForeign = site !== undefined && site !== "same-origin" && site !== "none" && !isLink;
    if (!isOwn || isForeign) {
      return context.json({ error: "Requests of other sites are refused", code: "bad-origin" }, 403);
    }
    return next();
  };
}

function isSame(given: string, token: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}

/** Requires `token`: as a bearer token, as `?token=`, or as the cookie that the answer to `?token=` sets. */
export function knowsToken(token: string): MiddlewareHandler {
  return async (context, next) => {
    const [scheme = "", bearer = ""] = (context.req.header("authorization") ?? "").split(" ");
    const given = context.req.query("token");
    if (given !== undefined && isSame(given, token) && context.req.method === "GET") {
      setCookie(context, TOKEN_COOKIE, token, { httpOnly: true, sameSite: "Strict", path: "/" });
      return context.redirect(new URL(context.req.url).pathname, 303);
    }
    const isKnown =
      (scheme.toLowerCase() === "bearer" && isSame(bearer, token)) ||
      isSame(getCookie(context, TOKEN_COOKIE) ?? "", token);
    if (isKnown) return next();
    return context.json({ error: "Open the address that the terminal shows: it has the token", code: "no-token" }, 401);
  };
}
