/** Reads complete lines of `events.jsonl` from a byte offset on, while another process may be writing it. */
import { type RunEvent, runEventSchema } from "../training/events/events.ts";
import { openRegular } from "./safe-path.ts";

const NEWLINE = 0x0a;
const CHUNK_BYTES = 1 << 18;
/** Espalier writes no longer line. Such a line is skipped in pieces. */
const LONGEST_LINE = 1 << 25;

export interface Chunk {
  readonly events: readonly RunEvent[];
  /** Offset of the next chunk. */
  readonly offset: number;
  /** True if the file is shorter than the offset, because it was replaced. */
  readonly isReplaced: boolean;
  readonly isEnd: boolean;
}

/** Parses events. Lines that are not events are skipped: they are damaged, or from a newer version. */
function eventsIn(text: string): RunEvent[] {
  return text.split("\n").flatMap((line): RunEvent[] => {
    if (line === "") return [];
    try {
      const parsed = runEventSchema.safeParse(JSON.parse(line));
      return parsed.success ? [parsed.data] : [];
    } catch {
      return [];
    }
  });
}

/** Reads the next events of the file at `path` from `offset` on: about 256 kB, or one line if it is longer. */
export async function readChunk(path: string, offset: number): Promise<Chunk> {
  const nothing = { events: [], offset, isReplaced: false, isEnd: true };
  const file = await openRegular(path);
  if (file === undefined) return nothing;
  try {
    const { size } = await file.stat();
    if (size < offset) return { ...nothing, isReplaced: true };
    for (let length = CHUNK_BYTES; ; length *= 2) {
      const wanted = Math.min(length, size - offset);
      const bytes = Buffer.alloc(wanted);
      const { bytesRead } = await file.read(bytes, 0, wanted, offset);
      const end = bytes.subarray(0, bytesRead).lastIndexOf(NEWLINE) + 1;
      const isAll = offset + bytesRead >= size;
      if (end > 0) {
        const events = eventsIn(bytes.toString("utf8", 0, end));
        return { events, offset: offset + end, isReplaced: false, isEnd: isAll };
      }
      if (isAll) return nothing;
      if (length >= LONGEST_LINE) return { ...nothing, offset: offset + bytesRead, isEnd: false };
    }
  } finally {
    await file.close();
  }
}
