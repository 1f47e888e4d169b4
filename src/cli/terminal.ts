/** What an output stream can do: redraw lines, show colours, and its width. */
import { Chalk, type ChalkInstance, supportsColor } from "chalk";
import stringWidth from "string-width";

/** A stream that may be a terminal. */
export interface OutputStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Terminal {
  readonly stream: OutputStream;
  /** Whether lines may be redrawn: true for a real terminal, false for a build server's log. */
  readonly isLive: boolean;
  readonly colours: ChalkInstance;
  /** Present width in columns. */
  width(): number;
  print(line?: string): void;
}

/** Environment variables that matter here. */
interface Environment {
  readonly NO_COLOR?: string | undefined;
  readonly FORCE_COLOR?: string | undefined;
  readonly CI?: string | undefined;
  readonly TERM?: string | undefined;
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== "";
}

/** 0 without colours (https://no-color.org), else the level of colours that the terminal supports. */
function colourLevel(stream: OutputStream, environment: Environment): 0 | 1 | 2 | 3 {
  if (isSet(environment.NO_COLOR)) return 0;
  if (stream.isTTY !== true && !isSet(environment.FORCE_COLOR)) return 0;
  return supportsColor === false ? 0 : supportsColor.level;
}

export function terminalOf(stream: OutputStream, environment: Environment = process.env): Terminal {
  const isLive = stream.isTTY === true && !isSet(environment.CI) && environment.TERM !== "dumb";
  return {
    stream,
    isLive,
    colours: new Chalk({ level: colourLevel(stream, environment) }),
    width: () => (stream.columns === undefined || stream.columns < 1 ? 80 : stream.columns),
    print: (line = "") => {
      stream.write(`${line}\n`);
    },
  };
}

/** A terminal that discards everything. */
export function silentTerminal(stream: OutputStream): Terminal {
  return { ...terminalOf(stream, { NO_COLOR: "1", CI: "1" }), print: () => {} };
}

/**
 * Joins as many of `parts` with `separator` as fit into `width` columns, and drops the rest. Escape codes have no
 * width.
 */
export function fitParts(parts: readonly string[], width: number, separator = "  "): string {
  let text = parts[0] ?? "";
  for (const part of parts.slice(1)) {
    const longer = text + separator + part;
    if (stringWidth(longer) > width) break;
    text = longer;
  }
  return text;
}

/** Pads `text` with blanks on the left to `width` columns. */
export function alignRight(text: string, width: number): string {
  return " ".repeat(Math.max(0, width - stringWidth(text))) + text;
}
