import { describe, expect, it } from "vitest";
import { model } from "../../src/models/zoo.ts";
import { historyOf } from "../../src/report/history.ts";
import { reportPage } from "../../src/report/page.ts";
import { structureOf } from "../../src/report/structure.ts";
import type { RunEvent } from "../../src/training/events/events.ts";
import { syntheticRun } from "./synthetic.ts";

const graph = model("resnet-20", { classes: 10 });
const page = reportPage(historyOf(syntheticRun()), structureOf(graph, graph));

function withoutTypes(...types: readonly RunEvent["type"][]): string {
  return reportPage(historyOf(syntheticRun().filter(({ type }) => !types.includes(type))), undefined);
}

/** Names of opened and closed elements; void and self-contained ones left out. */
function balance(html: string): Map<string, number> {
  const open = new Map<string, number>();
  for (const [, slash, name = ""] of html.matchAll(/<(\/?)([a-z0-9]+)(?=[\s>])/g)) {
    if (name === "meta") continue;
    open.set(name, (open.get(name) ?? 0) + (slash === "/" ? -1 : 1));
  }
  return open;
}

describe("reportPage", () => {
  it("tells what was cut while training, with its margin and what it brought", () => {
    expect(page).toMatch(/after epoch 3<.*3 structures.*→ 30\.0 M MACs.*lowest margin 4\.2e-4.*702 → 911 images\/s/);
  });

  it("stands alone: no script and nothing from elsewhere", () => {
    expect(page).not.toMatch(/<script|<link|@import|url\(|src=|href=/);
    expect(page.match(/https?:\/\/[^"\s]+/g)?.every((address) => address === "http://www.w3.org/2000/svg")).toBe(true);
  });

  it("closes what it opens and draws only numbers", () => {
    expect([...balance(page).values()].every((open) => open === 0)).toBe(true);
    expect(page).not.toMatch(/NaN|undefined|Infinity|\[object/);
  });

  it("says what came out, before and after", () => {
    expect(page).toMatch(/<h1>resnet-20 on cifar10: \d\d\.\d % of the MACs, 82\.7 % accurate, the same answers<\/h1>/);
    for (const text of [
      "82.70 %",
      "269,722",
      "1.09 MB",
      "612 kB",
      "1.31 ms",
      "0.840 ms",
      "Pruning changed no answer",
    ]) {
      expect(page).toContain(text);
    }
  });

  it("draws seven charts, the network twice, and a square for every structure", () => {
    expect(page.match(/<figure /g)).toHaveLength(7);
    expect(page).toContain('class="wide"');
    expect(page).toContain('class="narrow"');
    // 3 blocks of 16, 32 and 64 neurons each, and 9 blocks; the key has one alive and five shades.
    const squares = page.match(/<i class="(?:a|z\d)"><\/i>/g);
    expect(squares).toHaveLength(3 * (16 + 32 + 64) + 9 + 1 + 5);
  });

  it("escapes names that look like markup", () => {
    const hostile = syntheticRun().map((event) =>
      event.type === "run.started" ? { ...event, model: '<b>&"x' } : event,
    );
    const html = reportPage(historyOf(hostile), undefined);
    expect(html).toContain("&lt;b&gt;&amp;&quot;x on cifar10");
    expect(html).not.toContain("<b>&");
  });

  it("tells a failed certificate from a passed one", () => {
    const failed = syntheticRun().map((event) => (event.type === "certificate" ? { ...event, passed: false } : event));
    const html = reportPage(historyOf(failed), undefined);
    expect(html).toContain("The pruned network differs");
    expect(html).not.toContain("the same answers<");
  });

  it("leaves out what a run without an end, or without factors, does not have", () => {
    const unfinished = withoutTypes("run.finished", "certificate", "latency", "cut", "exported");
    expect(unfinished).toContain("resnet-20 on cifar10: not finished");
    expect(unfinished).not.toMatch(/<table|The network<|NaN|undefined/);
    const plain = syntheticRun().map((event) => (event.type === "run.started" ? { ...event, factors: [] } : event));
    const html = reportPage(historyOf(plain), undefined);
    expect(html.match(/<figure /g)).toHaveLength(5);
    expect(html).not.toContain("The structures");
  });
});
