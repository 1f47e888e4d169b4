/** The state of a run, in one word. */
import type { RunState } from "../../protocol.ts";

export function StateBadge({ state }: { readonly state: RunState }) {
  return <span class={`state ${state}`}>{state}</span>;
}
