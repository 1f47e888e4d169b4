import { cp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Dashboard, openDashboard } from "../../src/dashboard/server.ts";
import { loadOnnx } from "../../src/formats/onnx/index.ts";
import { LatencyPredictor } from "../../src/latency/predict.ts";
import { parseLatencyTable } from "../../src/latency/table.ts";
import { bake } from "../../src/selection/fold.ts";
import { tinyWorkplace } from "../cli/support.ts";
import { syntheticRun } from "../report/synthetic.ts";
import {
  accessibilityFaults,
  browserPath,
  buildPage,
  compressedSize,
  launchBrowser,
  shiftsOf,
  watchShifts,
} from "./browser.ts";
import { temporaryFolder, writeRun } from "./runs-folder.ts";

const MINUTES = 60_000;
/** Enough for a visitor to come in between; an epoch takes a few hundredths of a second. */
const EPOCHS = 120;
const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

let root = "";
let runs = "";
let workplace = "";
let data = "";
let dashboard: Dashboard;
let browser: Browser | undefined;

beforeAll(async () => {
  root = await temporaryFolder();
  runs = join(root, "runs");
  await buildPage(join(root, "page"));
  await writeRun(runs, "one", syntheticRun());
  await writeRun(runs, "two", syntheticRun());
  if (browserPath === undefined) return;
  workplace = await tinyWorkplace();
  data = join(workplace, (await readdir(workplace)).find((name) => name.startsWith("data-")) ?? "");
  dashboard = await openDashboard({
    ...{ runs, port: 0, page: join(root, "page") },
    command: { program: process.execPath, arguments: ["--import", "tsx", main] },
  });
  browser = await launchBrowser();
}, 5 * MINUTES);

afterAll(async () => {
  await browser?.close();
  if (browserPath !== undefined) await dashboard.close();
  for (const folder of [root, workplace]) if (folder !== "") await rm(folder, { recursive: true, force: true });
}, MINUTES);

it("is small: less than 300 kB compressed", async () => {
  expect(await compressedSize(join(root, "page"))).toBeLessThan(300_000);
});

describe.skipIf(browserPath === undefined)("the page in a browser", () => {
  const complaints: string[] = [];

  async function openPage(path: string, width = 1280, colorScheme: "light" | "dark" = "light"): Promise<Page> {
    if (browser === undefined) throw new Error("no browser");
    // High enough for nearly all of a page: what moves out of sight counts as well.
    const page = await browser.newPage({ viewport: { width, height: 2400 }, colorScheme });
    page.setDefaultTimeout(4 * MINUTES);
    await watchShifts(page);
    page.on("pageerror", ({ message }) => complaints.push(message));
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    page.on("request", (request) => {
      const { protocol, host } = new URL(request.url());
      if (protocol !== "blob:" && protocol !== "data:" && host !== new URL(dashboard.address).host) {
        complaints.push(`asked ${request.url()}`);
      }
    });
    await page.goto(new URL(path, dashboard.address).href);
    return page;
  }

  afterEach(() => {
    expect(complaints.splice(0)).toEqual([]);
  });

  it("shows a run, its curves and its figures, and two runs side by side", { timeout: 5 * MINUTES }, async () => {
    const page = await openPage("/");
    await page.getByRole("checkbox", { name: "compare one" }).check();
    await page.getByRole("checkbox", { name: "compare two" }).check();
    await page.getByRole("searchbox").fill("tw");
    await expect.poll(() => page.getByRole("status").first().textContent()).toBe("1 of 2 shown");
    await page.getByRole("button", { name: "Compare 2 of 2" }).click();
    await page.getByRole("heading", { name: "Two runs" }).waitFor();
    expect(await page.getByRole("row", { name: "test accuracy" }).textContent()).toContain("82.70 %82.70 %");
    await page.goto(new URL("/run/one", dashboard.address).href);
    await page.getByText("82.7 %").first().waitFor();
    await expect.poll(() => page.locator(".charts canvas").count()).toBe(7);
    await page.close();
  });

  describe.each([
    [1280, "light"],
    [390, "dark"],
  ] as const)("at %i pixels, %s", (width, scheme) => {
    it.each(["/", "/run/one", "/new", "/measure", "/compare?left=one&right=two", "/run/nothing"])(
      "has nothing in the way of anybody, and nothing that moves: %s",
      { timeout: 5 * MINUTES },
      async (path) => {
        const page = await openPage(path, width, scheme);
        await page.getByRole("heading", { level: 1 }).waitFor();
        // A page that follows a run is never idle: three seconds of its life are looked at then.
        await page.waitForLoadState("networkidle", { timeout: 3000 }).catch(() => undefined);
        expect(await accessibilityFaults(page)).toEqual([]);
        const tooWide = await page.evaluate(
          "document.documentElement.scrollWidth - document.documentElement.clientWidth",
        );
        expect(tooWide).toBe(0);
        expect(await shiftsOf(page)).toEqual([]);
        expect(await page.evaluate("document.getAnimations().length")).toBe(0);
        if (path === "/run/nothing") complaints.length = 0;
        await page.close();
      },
    );
  });

  it("waits for a run that has no folder yet, and shows it once it begins", { timeout: 5 * MINUTES }, async () => {
    const page = await openPage("/run/late");
    await page.getByText("Nothing was found at this address").waitFor();
    await writeRun(runs, "late", syntheticRun());
    await page.getByText("82.7 %").first().waitFor();
    complaints.length = 0;
    await page.close();
  });

  /** Of the run's file of events, how many epochs are told. */
  async function epochsOf(run: string): Promise<number> {
    const text = await readFile(join(runs, run, "events.jsonl"), "utf8");
    return text.split('"type":"epoch"').length - 1;
  }

  // What is waited for are states, each as long as it takes: a busy machine is slow, but goes through the same ones.
  describe("with a real training", () => {
    let page: Page;

    async function drawnParts(shown: Page): Promise<readonly (string | null)[]> {
      return shown.locator("[data-part]").evaluateAll((parts) => parts.map((part) => part.getAttribute("data-part")));
    }

    /** What is told of each part of the network, by its name, going through all of them by arrow keys. */
    async function partsByKeyboard(shown: Page): Promise<ReadonlyMap<string, string>> {
      const network = shown.getByRole("group", { name: /^The network/ });
      const told = new Map<string, string>();
      await network.press("Home");
      for (let size = -1; told.size > size; await network.press("ArrowRight")) {
        size = told.size;
        const words = (await shown.locator(".details").first().textContent()) ?? "";
        told.set((await shown.locator(".details b").first().textContent()) ?? "", words);
      }
      return told;
    }

    /** Drops a file on the place for images, as a visitor's pointer would. */
    async function drop(shown: Page, name: string, bytes: Buffer): Promise<void> {
      const transfer = await shown.evaluateHandle(`(() => {
        const made = new DataTransfer();
        const content = Uint8Array.from(atob("${bytes.toString("base64")}"), (character) => character.charCodeAt(0));
        made.items.add(new File([content], "${name}", { type: "image/png" }));
        return made;
      })()`);
      const place = shown.getByRole("group", { name: "The image" });
      await place.dispatchEvent("dragover", { dataTransfer: transfer });
      await place.dispatchEvent("drop", { dataTransfer: transfer });
    }

    beforeAll(async () => {
      page = await openPage("/new");
    });

    afterAll(() => page.close());

    it("says at the field what is wrong with a form", { timeout: 5 * MINUTES }, async () => {
      await page.getByLabel("network", { exact: true }).fill(join(workplace, "tiny.onnx"));
      await page.getByLabel("data", { exact: true }).fill(data);
      await page.getByLabel("epochs", { exact: true }).fill("0");
      await page.getByRole("button", { name: "Start" }).click();
      await page.locator("#epochs[aria-invalid]").waitFor();
      expect(await page.locator("#epochs-hint").textContent()).toContain("epochs");
      await expect.poll(() => page.evaluate("document.activeElement.id")).toBe("epochs");
      complaints.length = 0;
    });

    it("is started, watched, reloaded half-way, and stopped", { timeout: 5 * MINUTES }, async () => {
      for (const [label, value] of [
        ["epochs", String(EPOCHS)],
        ["name of the run", "real"],
        ["batch", "32"],
        ["learning rate", "0.05"],
        ["γ of neurons", "0.04"],
      ] as const) {
        await page.getByLabel(label, { exact: true }).fill(value);
      }
      await page.getByText("Engine and measurements").click();
      // Threads that wait for each other are slow where others need the cores.
      await page.getByLabel("threads", { exact: true }).fill("1");
      await page.getByLabel("measure latency at the end").uncheck();
      await page.getByRole("button", { name: "Start" }).click();
      await page.waitForURL(/\/run\/real$/);
      // What the form's complaints moved was the visitor's doing.
      await page.evaluate("globalThis.shifts.length = 0");
      await page.getByText(new RegExp(`^epoch [1-9]\\d* of ${EPOCHS}$`)).waitFor();
      expect(await shiftsOf(page)).toEqual([]);
      await page.reload();
      await page.getByText(new RegExp(`^epoch [1-9]\\d* of ${EPOCHS}$`)).waitFor();
      await page.getByRole("button", { name: "Stop" }).click();
      await page.getByRole("button", { name: "Resume" }).waitFor();
      await page.getByText("interrupted").first().waitFor();
      expect(await epochsOf("real")).toBeLessThan(EPOCHS);
    });

    it("is resumed, and watched to its end", { timeout: 5 * MINUTES }, async () => {
      await page.getByRole("button", { name: "Resume" }).click();
      await page.getByRole("heading", { name: "Certificate" }).waitFor();
      await page.getByText("finished", { exact: true }).waitFor();
      await page.getByRole("link", { name: /^report.html/ }).waitFor();
      expect(await page.getByText(`epoch ${EPOCHS} of ${EPOCHS}`).count()).toBe(1);
      expect(await epochsOf("real")).toBe(EPOCHS);
      expect(await shiftsOf(page)).toEqual([]);
      const chart = page.getByRole("slider", { name: /^Accuracy over the epochs/ });
      expect(await chart.getAttribute("aria-valuetext")).toMatch(/^epoch 120\.00: test \d+\.\d %, training/);
      await chart.press("Home");
      expect(await chart.getAttribute("aria-valuetext")).toMatch(/^epoch 1\.00: test \d+\.\d %, training/);
      await chart.press("ArrowRight");
      expect(await chart.getAttribute("aria-valuetext")).toMatch(/^epoch 2\.00: /);
      expect(await accessibilityFaults(page)).toEqual([]);
    });

    it("shows any layer, factor and moment to the keyboard", { timeout: 5 * MINUTES }, async () => {
      await page.getByRole("group", { name: /^The network/ }).press("ArrowRight");
      await page.locator(".details", { hasText: "stem.conv" }).waitFor();
      const told = await partsByKeyboard(page);
      const summary = page.getByText("All layers and blocks as a table");
      await summary.press("Enter");
      const rows = page.getByRole("region", { name: "All layers and blocks" }).getByRole("rowheader");
      await rows.first().waitFor();
      // What the pointer can find, the keyboard can, and it stands in the table.
      expect([...told.keys()]).toEqual(await rows.allTextContents());
      expect(told.size).toBe(new Set(await drawnParts(page)).size);
      expect([...told.values()].some((words) => /MACs \(.*margin after epoch \d+: /.test(words))).toBe(true);
      await page.getByRole("group", { name: /scaling factors over/ }).press("ArrowUp");
      await page.locator(".details", { hasText: `epoch ${EPOCHS}: λ` }).waitFor();
      const slider = page.getByRole("slider", { name: "step" });
      const tree = page.locator(".tree").first();
      const atEnd = await tree.innerHTML();
      await slider.press("Home");
      await expect.poll(() => tree.innerHTML()).not.toBe(atEnd);
      await slider.press("End");
      // Drawn over what was there, it is what it was when it was drawn at once.
      await expect.poll(() => tree.innerHTML()).toBe(atEnd);
      await slider.press("Home");
      await expect.poll(() => slider.getAttribute("aria-valuetext")).toBe("after epoch 0.0");
      const [epoch, alive, macs] = await page.locator(".when > *").allTextContents();
      expect([epoch, macs]).toEqual(["epoch 0.0", "about 100.0 % of the MACs"]);
      expect(alive).toMatch(/^(\d+) of \1 alive$/);
    });

    it("is tried with test images and with one of the visitor's", { timeout: 5 * MINUTES }, async () => {
      await page.goto(new URL("/try/real", dashboard.address).href);
      await page.getByText(/^The logits differ by at most .* of the time\.$/).waitFor();
      expect(await page.locator(".samples button").count()).toBe(16);
      await page.getByRole("button", { name: "test image 3: 2" }).click();
      await expect.poll(() => page.locator(".answer .verdict").allTextContents()).toEqual(["2✓ correct", "2✓ correct"]);
      // Bright on the left: the second class, see `tinyWorkplace`.
      const left = Uint8Array.from({ length: 32 * 32 }, (_, at) => (at % 32 < 16 ? 170 : 60));
      const buffer = await sharp(left, { raw: { width: 32, height: 32, channels: 1 } })
        .png()
        .toBuffer();
      await page.getByLabel("Choose an image").setInputFiles({ name: "left.png", mimeType: "image/png", buffer });
      await expect.poll(() => page.locator(".answer .verdict").allTextContents()).toEqual(["1", "1"]);
      await page.getByText(/of the time\.$/).waitFor();
      expect(await page.locator(".answer dd").allTextContents()).toEqual([
        ...[expect.stringMatching(/^\d.* ms$/), expect.stringMatching(/^\d.* kB download$/)],
        ...[expect.stringMatching(/^\d.* ms$/), expect.stringMatching(/^\d.* kB download$/)],
      ]);
      await page.getByLabel("Choose an image").setInputFiles({
        ...{ name: "text.png", mimeType: "image/png", buffer: Buffer.from("no image") },
      });
      await page.getByRole("alert").getByText("This browser cannot read the file as an image").waitFor();
      await page.getByLabel("Choose an image").setInputFiles({
        ...{ name: "huge.png", mimeType: "image/png", buffer: Buffer.alloc(20_000_001) },
      });
      await page.getByRole("alert").getByText("The file is larger than 20 MB").waitFor();
      await drop(page, "left.png", buffer);
      await expect.poll(() => page.locator(".answer .verdict").allTextContents()).toEqual(["1", "1"]);
      const download = page.waitForEvent("download");
      await page.getByRole("link", { name: "download" }).nth(1).click();
      expect(await readFile(await (await download).path())).toEqual(await readFile(join(runs, "real", "compact.onnx")));
      expect(await accessibilityFaults(page)).toEqual([]);
    });

    it("is tried with WebAssembly where WebGPU fails", { timeout: 5 * MINUTES }, async () => {
      const shown = await openPage("/new");
      // The page finds an adapter; the runtime, in its worker, finds none.
      await shown.addInitScript(`Object.defineProperty(navigator, "gpu", {
        value: { requestAdapter: () => Promise.resolve({ info: {} }) },
      })`);
      await shown.goto(new URL("/try/real", dashboard.address).href);
      await shown.getByText(/^WebGPU failed \(.+\), so WebAssembly runs the networks$/).waitFor();
      await shown.getByText(/of the time\.$/).waitFor();
      expect(await shown.getByLabel("run with").inputValue()).toBe("wasm");
      // The runtime says in the console that it found none.
      complaints.length = 0;
      await shown.close();
    });

    it("is tried with WebGPU where there is one", { timeout: 5 * MINUTES }, async (context) => {
      const own = await launchBrowser({ hasWebGpu: true });
      try {
        const shown = await own.newPage();
        shown.setDefaultTimeout(4 * MINUTES);
        await shown.goto(new URL("/try/real", dashboard.address).href);
        const hasAdapter = await shown.evaluate(
          "navigator.gpu?.requestAdapter().then((adapter) => adapter !== null) ?? false",
        );
        if (hasAdapter !== true) return context.skip();
        await shown.getByLabel("run with").selectOption("webgpu");
        await shown.getByRole("button", { name: "test image 3: 2" }).click();
        await expect
          .poll(() => shown.locator(".answer .verdict").allTextContents(), { timeout: 2 * MINUTES })
          .toEqual(["2✓ correct", "2✓ correct"]);
        expect(await shown.getByLabel("run with").inputValue()).toBe("webgpu");
      } finally {
        await own.close();
      }
    });

    it("has its layers timed, which gives a table of the device", { timeout: 5 * MINUTES }, async () => {
      const shown = await openPage("/new");
      // A clock of 25 ms a look. It makes the times the same on every machine.
      await shown.route(/measure-worker/, async (route) => {
        const response = await route.fetch();
        const steady = "{ let time = 0; performance.now = () => (time += 25); }";
        await route.fulfill({ response, body: `${steady}${await response.text()}` });
      });
      await shown.goto(new URL("/measure/real", dashboard.address).href);
      await shown.getByLabel("name of the device").fill("a test's phone");
      await shown.getByRole("button", { name: "Measure" }).click();
      await shown.getByText(/^\d+ of \d+ timed/).waitFor();
      await shown.getByRole("button", { name: "Cancel" }).click();
      expect(await shown.getByRole("button", { name: "Cancel" }).count()).toBe(0);
      await shown.getByRole("button", { name: "Measure" }).click();
      const download = shown.waitForEvent("download");
      await shown.getByRole("link", { name: "Download phone.json" }).click();
      const table = parseLatencyTable(await readFile(await (await download).path(), "utf8"), "phone.json");
      new LatencyPredictor(table).requireLayers(
        bake(await loadOnnx(join(runs, "real", "network.onnx"))).graph,
        "table",
      );
      expect(table).toMatchObject({
        ...{ device: "a test's phone", runtime: "ONNX Runtime Web", provider: "wasm", threads: 1, spread: 0 },
        runtimeVersion: expect.stringMatching(/^1\.\d+\.\d+$/),
      });
      expect(await shown.locator("pre").textContent()).toBe(
        "espalier train runs/real/network.onnx --budget 50%-latency --latency-table phone.json",
      );
      expect(await accessibilityFaults(shown)).toEqual([]);
      await shown.close();
    });

    it("is compared with another", { timeout: 5 * MINUTES }, async () => {
      await cp(join(runs, "real"), join(runs, "copy"), { recursive: true });
      await page.goto(new URL("/compare?left=real&right=copy", dashboard.address).href);
      await expect.poll(() => page.locator(".sides .tree").count()).toBe(2);
      const row = page.getByRole("row", { name: "MACs after" }).getByRole("cell");
      const [left = "", right = "?"] = await row.allTextContents();
      expect(left).toBe(right);
      expect(left).toMatch(/^\d/);
    });
  });
});
