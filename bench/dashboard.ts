/**
 * Measures the page: the time of its first paint, the time to read a large run and to move its slider, frames per
 * second at rest, and layout shifts while it loads. It also measures how much a page slows down the training that it
 * watches, in turns within one run.
 *
 *     npm run bench:dashboard -- [--part page | training] [--events 1000000] [--seconds 40] [--json | --markdown]
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { execa } from "execa";
import type { Browser, Page } from "playwright-core";
import { openDashboard } from "../src/dashboard/server.ts";
import { formatBytes, formatCount, formatDuration } from "../src/report/format.ts";
import { readEvents } from "../src/training/run-folder/event-log.ts";
import { browserPath, compressedSize, launchBrowser, shiftsOf, watchShifts } from "../test/dashboard/browser.ts";
import { writeImaginedRun } from "./shared/imagined-run.ts";
import { count } from "./shared/options.ts";
import { machineConditions, milliseconds, outputOptions, percent, print, type Section } from "./shared/output.ts";
import { medianOf, spreadOf } from "./shared/statistics.ts";
import { inTemporaryFolder } from "./shared/temporary.ts";

const { values: options } = parseArgs({
  options: {
    part: { type: "string" },
    events: { type: "string", default: "1000000" },
    seconds: { type: "string", default: "40" },
    ...outputOptions,
  },
});
const events = count(options.events, "events");
const seconds = count(options.seconds, "seconds");
const distribution = fileURLToPath(new URL("../dist", import.meta.url));

const EPOCHS = 100;
/** A `step` event, and two structures that reach zero or become alive again. */
const EVENTS_A_STEP = 5;
const VISITS = 5;
const SLIDES = 40;
const IDLE_SECONDS = 4;
/** Seconds with an open page, and then without. */
const TURN_SECONDS = 4;

/** What the page measures about its own loading. */
interface Loading {
  /** First contentful paint, in milliseconds from the start of the navigation. */
  readonly paint: number;
  /** Sum of its layout shifts. */
  readonly shift: number;
}

async function visit(
  browser: Browser,
  address: string,
  awaited: string,
  width = 1280,
): Promise<{ page: Page; loading: Loading }> {
  const page = await browser.newPage({ viewport: { width, height: 900 } });
  page.setDefaultTimeout(10 * 60_000);
  await watchShifts(page);
  await page.goto(address);
  await page.locator(awaited).first().waitFor();
  await wait(500);
  const paint: number = await page.evaluate(`performance.getEntriesByName("first-contentful-paint")[0].startTime`);
  const shift = (await shiftsOf(page)).reduce((sum, { value }) => sum + value, 0);
  return { page, loading: { paint, shift } };
}

/** The largest layout shift of all pages that show `run`, at the widths of a desktop and a phone. */
async function largestShift(browser: Browser, base: string, run: string): Promise<number> {
  const shifts: number[] = [];
  for (const width of [1280, 390]) {
    for (const [path, awaited] of [
      ["/", "table"],
      [`/run/${run}`, ".map"],
      [`/compare?left=${run}&right=${run}`, ".tree"],
    ] as const) {
      const { page, loading } = await visit(browser, new URL(path, base).href, awaited, width);
      shifts.push(loading.shift);
      await page.close();
    }
  }
  return Math.max(...shifts);
}

/** Milliseconds from a move of the slider until the next frame is painted, at positions all over the run. */
async function slide(page: Page): Promise<readonly number[]> {
  return page.evaluate(`(async () => {
    const slider = document.querySelector(".moments input");
    const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set;
    const taken = [];
    for (let move = 0; move < ${SLIDES}; move++) {
      const start = performance.now();
      set.call(slider, String(Math.round(((move * 7) % ${SLIDES}) / ${SLIDES} * Number(slider.max))));
      slider.dispatchEvent(new Event("input", { bubbles: true }));
      await new Promise((painted) => requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = painted;
        channel.port2.postMessage(0);
      }));
      taken.push(performance.now() - start);
    }
    return taken;
  })()`);
}

/** Frames a second while nothing happens. */
async function framesAtRest(page: Page): Promise<number> {
  return page.evaluate(`new Promise((done) => {
    const start = performance.now();
    let frames = 0;
    const frame = () => {
      frames++;
      const elapsed = performance.now() - start;
      if (elapsed < ${1000 * IDLE_SECONDS}) requestAnimationFrame(frame);
      else done((1000 * frames) / elapsed);
    };
    requestAnimationFrame(frame);
  })`);
}

async function measurePage(browser: Browser, folder: string): Promise<Section> {
  const runs = join(folder, "runs");
  const stepsPerEpoch = Math.max(1, Math.round(events / EVENTS_A_STEP / EPOCHS));
  const select = { neurons: 0.1, streams: 0.1 };
  const made = await writeImaginedRun(join(runs, "large"), {
    ...{ model: "densenet-121", select, epochs: EPOCHS, stepsPerEpoch, dying: 0.5, restless: 2 },
  });
  const { size } = await stat(join(runs, "large", "events.jsonl"));
  const dashboard = await openDashboard({ runs, port: 0, page: join(distribution, "dashboard", "page") });
  try {
    const start = performance.now();
    await fetch(new URL("/api/runs/large", dashboard.address));
    const folded = performance.now() - start;
    const answer = await fetch(new URL("/api/runs/large", dashboard.address));
    const bytes = (await answer.arrayBuffer()).byteLength;
    const address = new URL("/run/large", dashboard.address).href;
    const loadings: Loading[] = [];
    for (let number = 0; number < VISITS; number++) {
      const { page, loading } = await visit(browser, address, ".map");
      loadings.push(loading);
      await page.close();
    }
    const { page } = await visit(browser, address, ".map");
    const slides = spreadOf(await slide(page));
    const frames = await framesAtRest(page);
    await page.close();
    const paint = spreadOf(loadings.map((loading) => loading.paint));
    const shift = Math.max(...loadings.map((loading) => loading.shift), await largestShift(browser, address, "large"));
    const compressed = await compressedSize(join(distribution, "dashboard", "page"));
    const counts = `${formatCount(made.events)} events, ${formatCount(made.structures)} structures`;
    const about = `${counts}, ${formatBytes(size)}`;
    return {
      title: `A run of ${about}`,
      head: ["what", "measured", "promised"],
      rows: [
        [`first paint, median of ${VISITS} visits`, `${milliseconds(paint.median)} ms`, "< 1,000 ms"],
        ["the page's files, compressed", formatBytes(compressed), "< 300 kB"],
        [`a move of the slider, median of ${SLIDES}`, `${milliseconds(slides.median)} ms`, "< 100 ms"],
        ["the slowest of them", `${milliseconds(slides.maximum)} ms`, "< 100 ms"],
        [`frames a second at rest, over ${IDLE_SECONDS} s`, frames.toFixed(1), "60"],
        ["layout shift while they load (CLS), largest of three pages at 1280 and 390 pixels", shift.toFixed(4), "0"],
        ["the server reads the whole file, once", formatDuration(folded / 1000), ""],
        ["size of the digest that the page gets", formatBytes(bytes), ""],
      ],
    };
  } finally {
    await dashboard.close();
  }
}

/** Seconds from the epoch of a time stamp. */
const secondsOf = (time: string): number => Date.parse(time) / 1000;

/**
 * The address of the page, from the output of `train --ui`. The output is read to the end, because the process would
 * wait for a reader.
 */
function addressIn(output: Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    output.setEncoding("utf8").on("data", (part: string) => {
      text += part;
      const [, address] = /live at (\S+)/.exec(text) ?? [];
      if (address !== undefined) resolve(address);
    });
    output.on("end", () => reject(new Error(`the training ended before it was watched: ${text}`)));
  });
}

/** Trains one run that is watched in turns. Returns the speeds of its steps with and without a page. */
async function measureTraining(browser: Browser, folder: string): Promise<Section> {
  const run = join(folder, "watched");
  const main = join(distribution, "cli", "main.js");
  const training = execa(
    process.execPath,
    [
      ...[main, "train", "resnet-20", "--data", "cifar10", "--epochs", "100", "--batch", "64"],
      ...["--gamma", "0.0001", "--out", run, "--ui"],
    ],
    { reject: false, buffer: false, env: { NO_COLOR: "1" } },
  );
  const turns: { readonly from: number; readonly to: number; readonly isWatched: boolean }[] = [];
  try {
    const address = await addressIn(training.stderr);
    // Before the first step, data is read and kernels are timed, so measure only from then on.
    const { page } = await visit(browser, address, ".charts canvas");
    await page
      .getByText(/^epoch \d+ of/)
      .first()
      .waitFor();
    await wait(1000 * TURN_SECONDS);
    const end = Date.now() / 1000 + seconds;
    for (let isWatched = true; Date.now() / 1000 < end; isWatched = !isWatched) {
      await page.goto(isWatched ? address : "about:blank");
      if (isWatched) await page.locator(".charts canvas").first().waitFor();
      // Skip the time of opening the page, because only watching is measured.
      await wait(500);
      const from = Date.now() / 1000;
      await wait(1000 * TURN_SECONDS);
      turns.push({ from, to: Date.now() / 1000, isWatched });
    }
  } finally {
    training.kill("SIGINT");
    await training;
  }
  const steps = (await readEvents(run)).filter((event) => event.type === "step");
  const speeds = (isWatched: boolean): readonly number[] =>
    steps
      .filter(({ time }) =>
        turns.some(
          (turn) => turn.isWatched === isWatched && secondsOf(time) - 0.5 > turn.from && secondsOf(time) < turn.to,
        ),
      )
      .map(({ imagesPerSecond }) => imagesPerSecond);
  const [watched, alone] = [medianOf(speeds(true)), medianOf(speeds(false))];
  return {
    title: "ResNet-20, watched by a page on the same machine and not, in turns within one run",
    head: ["", "images/s, median of its step events", "events"],
    rows: [
      ["page open", watched.toFixed(0), `${speeds(true).length}`],
      ["no page", alone.toFixed(0), `${speeds(false).length}`],
      ["of the speed without", percent(watched / alone), "target: at least 98 %"],
    ],
  };
}

if (browserPath === undefined) throw new Error("no Chromium: apt-get install chromium");
const browser = await launchBrowser();
try {
  await inTemporaryFolder(async (folder) => {
    const sections: Section[] = [];
    if (options.part !== "training") sections.push(await measurePage(browser, folder));
    if (options.part !== "page") sections.push(await measureTraining(browser, folder));
    const conditions = machineConditions("bench:dashboard", [`Chromium ${browser.version()}`]);
    print({ conditions, sections, data: sections }, options);
  });
} finally {
  await browser.close();
}
