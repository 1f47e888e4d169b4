/**
 * Streams a run's events as server-sent events: first those after an offset, then new ones as they are written. The id
 * of a message is the offset where it ends, so a browser that reconnects gets the events that it missed.
 */
import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import type { RunStatus } from "./protocol.ts";
import type { Follower } from "./runs.ts";

const POLL_MILLISECONDS = 400;
/** After so many polls without news a comment is sent: it keeps proxies from closing the connection, and tests it. */
const QUIET_POLLS = 30;
/** If a page lacks more bytes than this, it has to fetch a new digest. */
const FURTHEST_BEHIND = 1 << 22;

function offsetOf(context: Context): number {
  const text = context.req.header("last-event-id") ?? context.req.query("from") ?? "0";
  return /^\d{1,15}$/.test(text) ? Number(text) : 0;
}

/** Answers with the events of `follower` until the browser disconnects or `signal` is aborted. */
export function streamEvents(
  context: Context,
  follower: Follower,
  status: () => Promise<RunStatus>,
  signal: AbortSignal,
): Response {
  let offset = offsetOf(context);
  if (context.req.method === "HEAD") return context.body(null, 200, { "content-type": "text/event-stream" });
  return streamSSE(context, async (stream) => {
    let sent = "";
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
      if (now !== sent) await stream.writeSSE({ event: "status", data: now });
      else if (!isNew && ++quiet % QUIET_POLLS === 0) await stream.write(": still here\n\n");
      sent = now;
      await stream.sleep(POLL_MILLISECONDS);
    }
  });
}
