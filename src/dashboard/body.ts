/**
 * Reads the body of requests, with a limit on its size. Only the form of a new run has a body that is read. Hono's own
 * limit creates a new Request from the old one, which the requests of `@hono/node-server` do not allow.
 */
import type { Context, MiddlewareHandler } from "hono";
import { UserError } from "../core/errors.ts";

const FORM_BYTES = 16_384;

/** A malformed request, with the HTTP status of the answer. */
export class RequestError extends UserError {
  readonly status: 400 | 413 | 415;

  constructor(status: 400 | 413 | 415, message: string, hint: string, cause?: unknown) {
    super("bad-option", message, { hint, cause });
    this.status = status;
  }
}

function tooLarge(): RequestError {
  return new RequestError(413, "the form is too large", `Send at most ${FORM_BYTES} bytes`);
}

/** Refuses requests to any address whose content length is too large. */
export function limited(): MiddlewareHandler {
  return async (context, next) => {
    if (Number(context.req.header("content-length") ?? 0) > FORM_BYTES) throw tooLarge();
    return next();
  };
}

async function textOf({ body }: Request): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let bytes = 0;
  // A request without a content length may send without end, so count the bytes.
  for await (const part of body ?? []) {
    bytes += part.byteLength;
    if (bytes > FORM_BYTES) throw tooLarge();
    text += decoder.decode(part, { stream: true });
  }
  return text + decoder.decode();
}

/** Parses the form in a request. Throws `RequestError` if it is not JSON, too large, or incomplete. */
export async function readJson(context: Context): Promise<unknown> {
  if (!/^application\/json\b/.test(context.req.header("content-type") ?? "")) {
    throw new RequestError(415, "the form is not sent as JSON", "Send it with the content type application/json");
  }
  try {
    return JSON.parse(await textOf(context.req.raw));
  } catch (cause) {
    if (cause instanceof RequestError) throw cause;
    throw new RequestError(400, "the form is not valid JSON", "Send a JSON object", cause);
  }
}
