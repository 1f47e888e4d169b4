/**
 * The report's style sheet. Colours are CSS variables, light and dark. Those of lines are far apart for colour-blind
 * people as well (`test/report/colours.test.ts`), and lines also differ in their dashes, so no meaning depends on hue
 * alone. On paper the light colours are used.
 */

const light = `
  --paper: #fcfbf8; --card: #ffffff; --ink: #1c2320; --soft: #5c665f; --rule: #e4e3da; --edge: #d5d4c9;
  --kept: #0b7a5b; --ghost: #8a938c; --one: #0b7a5b; --two: #b4540a; --three: #2b2380; --four: #a33fdc; --bad: #b3261e;
  --z0: #7a3a05; --z1: #b4540a; --z2: #e08a3c; --z3: #f2b98a; --z4: #fae0c8;`;

const dark = `
  --paper: #131715; --card: #1a1f1d; --ink: #e8ebe6; --soft: #9aa59d; --rule: #2a312d; --edge: #39423d;
  --kept: #4cc79c; --ghost: #6f7a73; --one: #4cc79c; --two: #f0994f; --three: #c3c8fb; --four: #b972ee; --bad: #ff8a80;
  --z0: #ffe2c9; --z1: #f5b57e; --z2: #d9823a; --z3: #97551e; --z4: #5a3314;`;

/** The variables of both, for what is drawn outside of the pages. */
export const palettes: { readonly light: string; readonly dark: string } = { light, dark };

export const styleSheet: string = `
:root { color-scheme: light dark; ${light} }
@media (prefers-color-scheme: dark) { :root { ${dark} } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); -webkit-text-size-adjust: 100%;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;
    font-variant-numeric: tabular-nums; }
main { max-width: 1152px; margin: 0 auto; padding: 40px 16px 56px; }
.mark { display: flex; align-items: center; gap: 8px; margin: 0; color: var(--soft); font-size: 13px;
  letter-spacing: .02em; }
.mark svg { width: 18px; height: 18px; }
h1 { font-size: 30px; line-height: 1.2; font-weight: 650; letter-spacing: -.015em; margin: 10px 0 6px;
  text-wrap: balance; }
h2 { font-size: 17px; font-weight: 650; margin: 0 0 2px; }
section { margin-top: 40px; }
p { margin: 0; }
.soft { color: var(--soft); }
.lead { color: var(--soft); max-width: 84ch; text-wrap: pretty; }
.summary { display: grid; grid-template-columns: minmax(0, 7fr) minmax(0, 4fr); gap: 16px; margin-top: 28px; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 18px 20px; }
table { border-collapse: collapse; width: 100%; }
th { font-weight: 500; text-align: left; color: var(--soft); font-size: 13px; }
td, th { padding: 7px 0 7px 16px; border-top: 1px solid var(--rule); vertical-align: middle; }
tr > :first-child { padding-left: 0; }
thead th { border-top: 0; padding-top: 0; }
.n { text-align: right; white-space: nowrap; }
td.now { font-weight: 650; }
.left { width: 34%; }
.meter { display: flex; align-items: center; gap: 10px; white-space: nowrap; }
.meter span { width: 4.2em; text-align: right; font-size: 13px; color: var(--soft); }
.meter div { flex: 1; height: 8px; border-radius: 4px; background: var(--rule); overflow: hidden; }
.meter div i { display: block; height: 100%; background: var(--kept); border-radius: 4px; }
.verdict { display: flex; align-items: center; gap: 9px; font-size: 17px; font-weight: 650; margin-bottom: 8px; }
.verdict.plain { font-variant-numeric: tabular-nums; }
.verdict svg { width: 22px; height: 22px; flex: none; color: var(--kept); }
.verdict.bad svg, .verdict.bad { color: var(--bad); }
dl { display: grid; grid-template-columns: auto 1fr; gap: 3px 18px; margin: 12px 0 0; font-size: 13.5px; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.card dd { text-align: right; font-weight: 550; }
.charts { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 30px 22px; margin-top: 16px; }
figure { margin: 0; min-width: 0; }
figcaption { font-weight: 600; font-size: 14px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; font-size: 12.5px; color: var(--soft); min-height: 20px; }
.entry { display: inline-flex; align-items: center; gap: 6px; }
.entry b { color: var(--ink); font-weight: 600; }
svg { display: block; } figure > svg, .drawing svg { width: 100%; height: auto; margin-top: 4px; }
svg text { fill: var(--soft); font-size: 11.5px; }
svg .small { font-size: 10.5px; } svg .faint { fill: var(--soft); opacity: .85; }
svg .count { fill: var(--ink); font-weight: 600; } svg .count.gone { fill: var(--soft); }
.rule { stroke: var(--rule); } .axis, .tick { stroke: var(--edge); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.line.s1 { stroke: var(--one); } .line.s2 { stroke: var(--two); stroke-dasharray: 6 4; }
.line.s3 { stroke: var(--three); stroke-dasharray: 1.5 4.5; }
.line.s4 { stroke: var(--four); stroke-dasharray: 9 3 2 3; }
.dot { stroke: var(--paper); stroke-width: 1.5; } .dot.s1 { fill: var(--one); } .dot.s2 { fill: var(--two); }
.dot.s3 { fill: var(--three); } .dot.s4 { fill: var(--four); }
.drawing { margin-top: 14px; } .lead + .legend { margin-top: 8px; }
.drawing .narrow { display: none; }
.kept { fill: var(--kept); } .reach { fill: transparent; } svg .none { display: none; }
.ghost { fill: var(--ghost); fill-opacity: .16; stroke: var(--ghost); stroke-dasharray: 3 2.5; }
.ghost.cell { stroke-dasharray: none; stroke-width: .6; }
.touch { fill: none; stroke: transparent; stroke-width: 12; pointer-events: stroke; }
.stream { stroke: var(--ink); stroke-width: 2; }
.stream.gone { stroke: var(--ghost); stroke-width: 1.5; stroke-dasharray: 2 4; }
.end, .sum { fill: var(--paper); stroke: var(--ink); stroke-width: 1.5; }
.plus { stroke: var(--ink); stroke-width: 1.3; }
.arch { fill: none; stroke: var(--soft); stroke-width: 1.3; } .arch.strong { stroke: var(--ink); stroke-width: 2; }
.bracket { fill: none; stroke: var(--edge); }
.swatch { width: 12px; height: 12px; display: inline-block; border-radius: 2px; }
.swatch.k { background: var(--kept); }
.swatch.g { border: 1px dashed var(--ghost); background: color-mix(in srgb, var(--ghost) 16%, transparent); }
.hatch { fill: var(--edge); } .frame { fill: none; stroke: var(--rule); } .pixels { image-rendering: pixelated; }
.swatch.zero { border: 1px solid var(--edge);
  background: repeating-linear-gradient(45deg, var(--card) 0 3px, var(--edge) 3px 4px); }
.ramp { width: 90px; height: 10px; border-radius: 2px;
  background: linear-gradient(90deg, rgb(68 1 84), rgb(59 82 139), rgb(33 145 140), rgb(94 201 98), rgb(253 231 37)); }
.lives { margin-top: 12px; }
.life { display: grid; grid-template-columns: 172px minmax(0, 1fr) 74px; gap: 12px; align-items: center;
  padding: 3px 0; font-size: 13px; }
.name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; color: var(--soft); }
.number { text-align: right; color: var(--soft); white-space: nowrap; }
.number b { color: var(--ink); font-weight: 600; }
.cells { display: flex; flex-wrap: wrap; gap: 2px; align-items: center; }
.cells i { width: 10px; height: 10px; border-radius: 2px; }
.entry.cells { gap: 3px; } .entry.cells i { margin: 0 1px; }
.a { background: var(--kept); } .z0 { background: var(--z0); } .z1 { background: var(--z1); }
.z2 { background: var(--z2); } .z3 { background: var(--z3); } .z4 { background: var(--z4); }
.facts { columns: 2; column-gap: 40px; margin-top: 12px; } .facts div { break-inside: avoid; margin-bottom: 18px; }
.facts h3 { font-size: 13px; font-weight: 600; margin: 0; }
.facts dl { margin-top: 4px; grid-template-columns: 150px 1fr; }
.notes { margin: 8px 0 0; padding-left: 18px; font-size: 13.5px; color: var(--soft); }
code { font: 12.5px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  overflow-wrap: anywhere; }
footer { margin-top: 44px; padding-top: 14px; border-top: 1px solid var(--rule); font-size: 12.5px;
  color: var(--soft); }
@media (max-width: 960px) { .charts { grid-template-columns: repeat(2, minmax(0, 1fr)); }
.summary { grid-template-columns: minmax(0, 1fr); } }
@media (max-width: 640px) {
  main { padding-top: 24px; } h1 { font-size: 24px; }
  .charts, .facts { grid-template-columns: minmax(0, 1fr); columns: 1; }
  .left { display: none; } .card { padding: 14px 14px; } td, th { padding-left: 10px; }
  .drawing .wide { display: none; } .drawing .narrow { display: block; }
  .life { grid-template-columns: minmax(0, 1fr) auto; gap: 2px 12px; padding: 5px 0; }
  .life .cells { grid-column: 1 / -1; grid-row: 2; } .cells i { width: 8px; height: 8px; }
  .facts dl { grid-template-columns: 128px 1fr; }
}
@page { margin: 13mm; }
@media print {
  :root { color-scheme: light; ${light} --paper: #ffffff; } body { font-size: 12px; }
  main { padding: 0; max-width: none; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } section { margin-top: 26px; }
  h2, .lead, .legend, figcaption { break-after: avoid; } figure, .card, .life, svg { break-inside: avoid; }
  .charts { grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 18px 16px; }
}
`;
