/** Reads `events.jsonl` as it grows: from a byte offset on, whole lines only, whoever writes it. */
import { type RunEvent, runEventSchema } from "../training/events.ts";
import { openRegular } from "./safe-path.ts";

const NEWLINE = 0x0a;
const CHUNK_BYTES = 1 << 18;
/** A longer line is no event of ours; it is passed over in pieces. */
const LONGEST_LINE = 1 << 25;

export interface Chunk {
  readonly events: readonly RunEvent[];
  /** Where the next chunk begins. */
  readonly offset: number;
  /** The file is shorter than the offset: it was written anew. */
  readonly isReplaced: boolean;
  readonly isEnd: boolean;
}

/** Lines that are no events (damaged, or of a newer version) are left out: what can be shown is shown. */
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

/** The next events of the file at `path` from `offset` on: about 256 kB of them, or one line if it is longer. */
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
