/**
 * What a request brings along. Only the form of a new run is read; other requests may have a body or none, and it is
 * left alone. Hono's own limit makes a new Request of the old one, which those of `@hono/node-server` do not allow.
 */
import type { Context, MiddlewareHandler } from "hono";
import { UserError } from "../core/errors.ts";

const FORM_BYTES = 16_384;

/** A request that is wrong in itself, whatever it asks for. */
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

/** Refuses what says that it is too large, wherever it goes. */
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
  // A sender that does not say how much there is may send without end.
  for await (const part of body ?? []) {
    bytes += part.byteLength;
    if (bytes > FORM_BYTES) throw tooLarge();
    text += decoder.decode(part, { stream: true });
  }
  return text + decoder.decode();
}

/** The form in a request. Throws `RequestError` where it is no JSON, too large, or was not sent whole. */
export async function readJson(context: Context): Promise<unknown> {
  if (!/^application\/json\b/.test(context.req.header("content-type") ?? "")) {
    throw new RequestError(415, "the form has to be sent as JSON", "Send it with the content type application/json");
  }
  try {
    return JSON.parse(await textOf(context.req.raw));
  } catch (cause) {
    if (cause instanceof RequestError) throw cause;
    throw new RequestError(400, "the form is no JSON", "Send a JSON object", cause);
  }
}
