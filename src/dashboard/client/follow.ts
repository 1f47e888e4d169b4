/** Follows a run: fetches its digest from the server, then adds every later event to it. */
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import type { RunEvent } from "../../training/events/events.ts";
import type { RunDetail, RunStatus } from "../protocol.ts";
import { addEvent } from "../run-summary.ts";
import { api, eventsAddress } from "./api.ts";

/** Milliseconds after its end by which a run has written its last files. */
const LATE_FILES = 3000;
const RETRY_MILLISECONDS = 1500;
const REDRAW_MILLISECONDS = 2000;

export interface Followed {
  /** Its digest is changed in place. `version` increases with each change. */
  readonly detail: RunDetail | undefined;
  readonly version: number;
  readonly error: string | undefined;
}

export function useRun(name: string): Followed {
  const [version, update] = useReducer((count: number) => count + 1, 0);
  const [error, setError] = useState<string>();
  const detail = useRef<RunDetail | undefined>(undefined);
  useEffect(() => {
    let source: EventSource | undefined;
    let isOver = false;
    let frame = 0;
    let later: ReturnType<typeof setTimeout> | undefined;
    let again: ReturnType<typeof setTimeout> | undefined;
    // Redraw at most every two seconds: the run may train on the same cores.
    let drawn = Number.NEGATIVE_INFINITY;
    let drawing: ReturnType<typeof setTimeout> | undefined;
    const draw = (): void => {
      frame = requestAnimationFrame((now) => {
        drawing = undefined;
        drawn = now;
        update(undefined);
      });
    };
    const show = (): void => {
      drawing ??= setTimeout(draw, Math.max(0, drawn + REDRAW_MILLISECONDS - performance.now()));
    };
    const open = async (): Promise<void> => {
      source?.close();
      try {
        const read = await api.run(name);
        if (isOver) return;
        detail.current = read;
        setError(undefined);
        show();
        source = new EventSource(eventsAddress(name, read.offset));
      } catch (cause) {
        if (isOver) return;
        setError(cause instanceof Error ? cause.message : String(cause));
        // Try again: a run that is starting may have no folder yet, and the server may be restarting.
        again = setTimeout(() => void open(), RETRY_MILLISECONDS);
        return;
      }
      source.addEventListener("events", ({ data }: MessageEvent<string>) => {
        for (const event of JSON.parse(data) as RunEvent[]) {
          if (detail.current !== undefined) addEvent(detail.current.digest, event);
          if (event.type === "run.finished") refresh();
        }
        show();
      });
      source.addEventListener("status", ({ data }: MessageEvent<string>) => {
        const status = JSON.parse(data) as RunStatus;
        if (detail.current !== undefined) detail.current = { ...detail.current, ...status };
        if (status.state !== "training") refresh();
        show();
      });
      source.addEventListener("reset", () => void open());
    };
    const readFiles = async (): Promise<void> => {
      const { files } = await api.run(name).catch(() => ({ files: undefined }));
      if (isOver || detail.current === undefined || files === undefined) return;
      detail.current = { ...detail.current, files };
      show();
    };
    // A run writes its files at its end, and the report a little later.
    const refresh = (): void => {
      void readFiles();
      later = setTimeout(readFiles, LATE_FILES);
    };
    void open();
    return () => {
      isOver = true;
      source?.close();
      cancelAnimationFrame(frame);
      clearTimeout(later);
      clearTimeout(again);
      clearTimeout(drawing);
    };
  }, [name]);
  return { detail: detail.current, version, error };
}

/** The state of a request. While both are undefined, the server has not answered yet. */
export interface Answer<T> {
  readonly value?: T;
  readonly error?: string;
}

/**
 * The answer of `ask`, which is called again when `key` changes. The previous answer stays until the next one arrives.
 * An error is returned only for the present key.
 */
export function useAnswer<T>(ask: () => Promise<T>, key: unknown): Answer<T> {
  const [answer, setAnswer] = useState<Answer<T> & { readonly key?: unknown }>({});
  useEffect(() => {
    let isOver = false;
    ask().then(
      (value) => !isOver && setAnswer({ value }),
      (cause: unknown) =>
        !isOver && setAnswer((before) => ({ ...before, error: String((cause as Error).message), key })),
    );
    return () => {
      isOver = true;
    };
  }, [key]);
  const { error, key: failed, ...known } = answer;
  return error === undefined || failed !== key ? known : { ...known, error };
}
