/** The messages between the page and the worker that runs networks. */

export type NetworkRole = "full" | "compact";
export type Backend = "wasm" | "webgpu";

export type TryRequest =
  | {
      readonly id: number;
      readonly kind: "load";
      readonly role: NetworkRole;
      readonly address: string;
      readonly backend: Backend;
    }
  | {
      readonly id: number;
      readonly kind: "run";
      readonly role: NetworkRole;
      readonly input: Float32Array;
      readonly shape: readonly number[];
    }
  | {
      readonly id: number;
      readonly kind: "time";
      readonly role: NetworkRole;
      readonly input: Float32Array;
      readonly shape: readonly number[];
      readonly runs: number;
    };

/** `logits` of a run; `milliseconds` of each timed run; `bytes` of a loaded file. */
export type TryAnswer =
  | { readonly id: number; readonly error: string }
  | { readonly id: number; readonly bytes: number }
  | { readonly id: number; readonly logits: Float32Array }
  | { readonly id: number; readonly milliseconds: readonly number[] };
