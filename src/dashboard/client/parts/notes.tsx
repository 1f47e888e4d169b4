/** Notices and pruning steps of a run, and the waiting times of its ranks, in words. */
import { formatCount, formatQuantity, formatSmall, plural } from "../../../report/format.ts";
import { exposedWords, ranksWords, waitedFor, waitedWords } from "../../../report/ranks.ts";
import type { Digest } from "../../run-summary.ts";

export function Notes({ digest }: { readonly digest: Digest }) {
  const { shrinks, notices, ending, cut } = digest;
  const notes = [...new Set([...(cut?.notes ?? []), ...notices.map(({ message }) => message)])];
  if (shrinks.length === 0 && notes.length === 0 && ending === null) return null;
  return (
    <section>
      <h2>Notes</h2>
      <ul class="notes">
        {shrinks.map(({ step, epoch, before, after, structures, margin, speed }) => (
          <li key={step}>
            After epoch {epoch}, {plural(structures, "structure")} pruned: {formatQuantity(before.macs)} →{" "}
            {formatQuantity(after.macs)} MACs
            {margin !== null && `, lowest margin ${formatSmall(margin)}`}
            {speed !== null &&
              `, ${formatCount(Math.round(speed.before))} → ${formatCount(Math.round(speed.after))} images/s`}
          </li>
        ))}
        {notes.map((note) => (
          <li key={note}>{note}</li>
        ))}
        {ending !== null && <li>{ending.hint}</li>}
      </ul>
    </section>
  );
}

export function Ranks({ digest: { communications, started } }: { readonly digest: Digest }) {
  if (communications.length === 0) {
    if (started?.engine["ranks"] === undefined) return null;
    return (
      <section class="ranks">
        <h2>Several ranks</h2>
        <p class="soft">Waiting times appear after each epoch.</p>
      </section>
    );
  }
  return (
    <section class="ranks">
      <h2>Several ranks</h2>
      <p class="lead">
        {ranksWords(communications)}: {exposedWords(communications)}.
      </p>
      <ul class="notes">
        {waitedFor(communications).map((rank) => (
          <li key={`${rank.rank} ${rank.host}`}>The others waited {waitedWords(rank)}</li>
        ))}
      </ul>
    </section>
  );
}
