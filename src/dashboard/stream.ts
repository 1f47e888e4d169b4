/**
 * A run's events as server-sent events: those after an offset at once, the others as they are written. Each message
 * says where it ends, so a browser that lost the connection asks for what it missed.
 */
import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import type { RunStatus } from "./protocol.ts";
import type { Follower } from "./runs.ts";

const POLL_MILLISECONDS = 400;
/** A comment now and then keeps proxies from closing a quiet connection, and finds out whether it is still there. */
const QUIET_POLLS = 30;
/** A visitor this far behind is better off with a new digest. */
const FURTHEST_BEHIND = 1 << 22;

function offsetOf(context: Context): number {
  const text = context.req.header("last-event-id") ?? context.req.query("from") ?? "0";
  return /^\d{1,15}$/.test(text) ? Number(text) : 0;
}

/** Answers with the events of `follower` until the visitor leaves or `signal` is aborted. */
export function streamEvents(
  context: Context,
  follower: Follower,
  status: () => Promise<RunStatus>,
  signal: AbortSignal,
): Response {
  let offset = offsetOf(context);
  if (context.req.method === "HEAD") return context.body(null, 200, { "content-type": "text/event-stream" });
  return streamSSE(context, async (stream) => {
    let told = "";
    let quiet = 0;
    await follower.catchUp();
    if (follower.offset - offset > FURTHEST_BEHIND) {
      await stream.writeSSE({ event: "reset", data: "{}" });
      return;
    }
    while (!stream.aborted && !stream.closed && !signal.aborted) {
      const chunk = await follower.chunkAfter(offset);
      if (chunk.isReplaced) {
        await stream.writeSSE({ event: "reset", data: "{}" });
        return;
      }
      const isNew = chunk.offset > offset;
      offset = chunk.offset;
      if (isNew) await stream.writeSSE({ id: String(offset), event: "events", data: JSON.stringify(chunk.events) });
      if (!chunk.isEnd) continue;
      if (isNew) await follower.catchUp();
      const now = JSON.stringify(await status());
      if (now !== told) await stream.writeSSE({ event: "status", data: now });
      else if (!isNew && ++quiet % QUIET_POLLS === 0) await stream.write(": still here\n\n");
      told = now;
      await stream.sleep(POLL_MILLISECONDS);
    }
  });
}
