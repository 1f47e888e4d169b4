/**
 * Who may ask for what. A page of another site must not read runs or start them through the visitor's browser: on
 * loopback by its own requests (Origin) or by a name that was made to point here (Host); elsewhere a token is asked for
 * as well.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { getCookie, setCookie } from "hono/cookie";

const TOKEN_COOKIE = "espalier_token";
const LOOPBACK: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);

export function isLoopback(hostname: string): boolean {
  return LOOPBACK.has(hostname) || hostname === "::1";
}

/** Scripts, styles and requests from here alone; WebAssembly for ONNX Runtime, in workers of ours. */
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

/** Files of runs: a report has its styles inside, and nothing in it may run or load. */
export const FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";

/** Headers on every answer; handlers may set their own policy. */
export function headers(): MiddlewareHandler {
  return async (context, next) => {
    await next();
    const { headers: own } = context.res;
    if (!own.has("content-security-policy")) own.set("content-security-policy", PAGE_POLICY);
    own.set("x-content-type-options", "nosniff");
    own.set("referrer-policy", "no-referrer");
    own.set("x-frame-options", "DENY");
    // Threads of WebAssembly need memory that is shared, and that needs a page that is isolated.
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

/**
 * Refuses foreign hosts on loopback, foreign origins everywhere, and requests that change something without an origin.
 */
export function sameSite(onLoopback: boolean): MiddlewareHandler {
  return async (context, next) => {
    const host = context.req.header("host") ?? "";
    const hostname = hostnameOf(host);
    if (hostname === undefined || (onLoopback && !LOOPBACK.has(hostname))) {
      return context.json({ error: "This server does not answer for that host", code: "bad-host" }, 403);
    }
    const origin = context.req.header("origin");
    const isRead = context.req.method === "GET" || context.req.method === "HEAD";
    const site = context.req.header("sec-fetch-site");
    const isOwn = origin === undefined ? isRead : origin === `http://${host}` || origin === `https://${host}`;
    // Following a link from elsewhere to the page itself is fine; nothing else is.
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

/** Lets those in who know `token`: as a bearer, as `?token=` once, or by the cookie that is given for that. */
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
