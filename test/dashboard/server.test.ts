import { appendFile, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Dashboard, openDashboard } from "../../src/dashboard/server.ts";
import { syntheticRun } from "../report/synthetic.ts";
import { linesOf, plainPage, temporaryFolder, writeRun } from "./runs-folder.ts";

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

interface Asking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const events = syntheticRun();
let root = "";
let runs = "";
let dashboard: Dashboard;

/** As `fetch`, but the path goes out as it is written: nothing is normalised on the way. */
function ask(path: string, { method = "GET", headers = {}, body }: Asking = {}): Promise<Answer> {
  const { hostname, port, host } = new URL(dashboard.address);
  return new Promise((resolve, reject) => {
    const asking = request({ hostname, port, path, method, headers: { host, ...headers } }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text, headers: response.headers }));
    });
    asking.on("error", reject);
    asking.end(body);
  });
}

async function open(
  options: { readonly host?: string; readonly onError?: (error: unknown) => void } = {},
): Promise<void> {
  dashboard = await openDashboard({
    ...{ runs, port: 0, page: join(root, "page"), ...options },
    command: { program: process.execPath, arguments: ["-e", "process.exit(3)"] },
  });
}

beforeEach(async () => {
  root = await temporaryFolder();
  runs = join(root, "runs");
  await plainPage(root);
  await writeRun(runs, "synthetic", events);
  await writeFile(join(root, "secret.txt"), "secret");
  await open();
});

afterEach(async () => {
  await dashboard.close();
  await rm(root, { recursive: true, force: true });
});

describe("what it answers", () => {
  it("lists runs and gives one with all of its events folded", async () => {
    const list = JSON.parse((await ask("/api/runs")).body) as { runs: { name: string; state: string }[] };
    expect(list.runs).toMatchObject([{ name: "synthetic", state: "finished", model: "resnet-20", accuracy: 82.7 }]);
    const run = JSON.parse((await ask("/api/runs/synthetic")).body) as {
      digest: { epochs: unknown[] };
      offset: number;
    };
    expect(run.digest.epochs).toHaveLength(6);
    expect(run.offset).toBe(Buffer.byteLength(linesOf(events)));
  });

  it("shows a run whose file has lines that are no events, and one without any", async () => {
    await appendFile(join(runs, "synthetic", "events.jsonl"), 'no json\n{"type":"of tomorrow"}\n{"type":"ha');
    await writeRun(runs, "empty", []);
    expect((await ask("/api/runs/synthetic")).status).toBe(200);
    const { body } = await ask("/api/runs/empty");
    expect(JSON.parse(body)).toMatchObject({ state: "stopped", digest: { started: null } });
  });

  it("gives the page at every address that is the page's own", async () => {
    for (const path of ["/", "/run/synthetic", "/new"]) expect((await ask(path)).body).toContain("<title>page</title>");
  });

  it("says what is not there without saying where it looked", async () => {
    for (const path of ["/api/runs/nothing", "/api/nothing", "/runs/nothing/report.html", "/ort/package.json"]) {
      const { status, body } = await ask(path);
      expect([path, status]).toEqual([path, 404]);
      expect(body).not.toContain(root);
    }
  });
});

/** Reads server-sent events until `enough` says so; `lastEventId` as a browser sends it when it comes back. */
async function streamed(
  path: string,
  lastEventId: string | undefined,
  enough: (text: string) => boolean,
): Promise<string> {
  const stopping = new AbortController();
  const headers = lastEventId === undefined ? {} : { "last-event-id": lastEventId };
  const { body } = await fetch(new URL(path, dashboard.address), { signal: stopping.signal, headers });
  let text = "";
  const decoder = new TextDecoder();
  for await (const part of body ?? []) {
    text += decoder.decode(part, { stream: true });
    if (enough(text)) break;
  }
  stopping.abort();
  return text;
}

describe("the stream of events", () => {
  const eventsPath = "/api/runs/synthetic/events";
  const sent = (text: string): { type: string }[] =>
    [...text.matchAll(/^data: (\[.*\])$/gm)].flatMap(([, json]) => JSON.parse(json ?? "[]") as { type: string }[]);

  it("sends everything after an offset, then what another process appends", async () => {
    const first = Buffer.byteLength(linesOf(events.slice(0, 3)));
    const appended = linesOf([
      { type: "notice", time: "2026-01-02T03:04:05.000Z", step: 1, epoch: 1, message: "late" },
    ]);
    const reading = streamed(`${eventsPath}?from=${first}`, undefined, (text) => text.includes('"late"'));
    setTimeout(() => void appendFile(join(runs, "synthetic", "events.jsonl"), appended), 300);
    const got = sent(await reading);
    expect(got).toHaveLength(events.length - 3 + 1);
    expect(got[0]).toEqual(events[3]);
  });

  it("goes on from the last event that a browser saw", async () => {
    const seen = Buffer.byteLength(linesOf(events.slice(0, -2)));
    const text = await streamed(eventsPath, String(seen), (so) => so.includes("run.finished"));
    expect(sent(text).map(({ type }) => type)).toEqual(events.slice(-2).map(({ type }) => type));
  });

  it("asks for a fresh start when the file was written anew", async () => {
    const text = await streamed(`${eventsPath}?from=99999999`, undefined, (so) => so.includes("reset"));
    expect(text).toContain("event: reset");
  });
});

describe("paths", () => {
  it("never leave the folder of the runs", async () => {
    await symlink(join(root, "secret.txt"), join(runs, "synthetic", "link.txt"));
    await symlink(root, join(runs, "out"));
    await mkdir(join(runs, "synthetic", ".lock"));
    await writeFile(join(runs, "synthetic", ".lock", "hidden"), "secret");
    const paths = [
      "/runs/../secret.txt",
      "/runs/..%2fsecret.txt",
      "/runs/%2e%2e/secret.txt",
      "/runs/synthetic/..%2f..%2fsecret.txt",
      "/runs/synthetic/..%5c..%5csecret.txt",
      "/runs/%252e%252e/secret.txt",
      `/runs/${encodeURIComponent(join(root, "secret.txt"))}`,
      `/runs/${join(root, "secret.txt")}`,
      "/runs/synthetic/link.txt",
      "/runs/out/secret.txt",
      "/runs/synthetic/.lock/hidden",
      "/runs/synthetic/%00",
      "/runs/synthetic/%zz",
      "/runs/synthetic",
      "/runs/",
      "/assets/..%2f..%2fsecret.txt",
      "/api/runs/..%2f..",
      "/api/runs/out",
    ];
    for (const path of paths) {
      const { body, status } = await ask(path);
      expect([path, body.includes("secret"), body.includes(root)]).toEqual([path, false, false]);
      // Those that a URL resolves away end at the page; nothing else is there.
      expect([path, status === 404 || body.includes("<title>page</title>")]).toEqual([path, true]);
    }
    expect((await ask("/runs/synthetic/events.jsonl")).status).toBe(200);
  });
});

describe("other sites", () => {
  it("cannot ask under a name that was made to point here", async () => {
    for (const host of ["evil.example", "127.0.0.1.evil.example", "evil.example:80", "localhost@evil.example"]) {
      const { status, body } = await ask("/api/runs", { headers: { host } });
      expect([host, [400, 403].includes(status), body.includes("synthetic")]).toEqual([host, true, false]);
    }
    expect((await ask("/api/runs", { headers: { host: "localhost:1234" } })).status).toBe(200);
  });

  it("cannot post, or read, through a visitor's browser", async () => {
    const { host } = new URL(dashboard.address);
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ model: "resnet-20", data: "cifar10", epochs: 1 });
    const post = (more: Readonly<Record<string, string>>): Promise<Answer> =>
      ask("/api/runs", { method: "POST", headers: { ...headers, ...more }, body });
    expect((await post({})).status).toBe(403);
    expect((await post({ origin: "http://evil.example" })).status).toBe(403);
    expect((await post({ origin: "null" })).status).toBe(403);
    expect((await post({ origin: `http://${host}`, "sec-fetch-site": "cross-site" })).status).toBe(403);
    expect((await post({ origin: `http://${host}`, "content-type": "text/plain" })).status).toBe(415);
    expect((await ask("/api/runs", { headers: { origin: "http://evil.example" } })).status).toBe(403);
    expect((await ask("/api/runs", { headers: { "sec-fetch-site": "cross-site" } })).status).toBe(403);
    expect((await post({ origin: `http://${host}` })).status).toBe(202);
  });

  it("get a policy that lets nothing else run or load", async () => {
    const { headers } = await ask("/");
    const policy = String(headers["content-security-policy"]);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe-inline|'unsafe-eval'|https?:|\*/);
    await writeFile(join(runs, "synthetic", "report.html"), "<script>alert(1)</script>");
    const report = await ask("/runs/synthetic/report.html");
    expect(String(report.headers["content-security-policy"])).toMatch(/default-src 'none'.*sandbox/);
  });
});

describe("faults of ours", () => {
  it("tell a visitor neither where nor what, but the terminal all of it", async () => {
    for (const host of ["127.0.0.1", "0.0.0.0"]) {
      await dashboard.close();
      const faults: unknown[] = [];
      await open({ host, onError: (error) => faults.push(error) });
      await rm(join(root, "page", "index.html"), { force: true });
      const token = new URL(dashboard.address).searchParams.get("token") ?? "";
      const { status, body } = await ask("/", { headers: { authorization: `Bearer ${token}` } });
      expect([host, status, JSON.parse(body)]).toEqual([
        ...[host, 500],
        { error: "A fault in Espalier; see the server's terminal", code: "internal" },
      ]);
      expect(faults).toHaveLength(1);
      expect(String(faults[0])).toContain("index.html");
    }
  });
});

describe("where it listens", () => {
  it("is this machine alone, unless it is told otherwise", async () => {
    const { hostname, port } = new URL(dashboard.address);
    expect(hostname).toBe("127.0.0.1");
    const others = Object.values(networkInterfaces()).flatMap((own = []) =>
      own.flatMap(({ address, family, internal }) => (internal || family !== "IPv4" ? [] : [address])),
    );
    for (const address of others) {
      await expect(fetch(`http://${address}:${port}/`)).rejects.toThrow("fetch failed");
    }
  });
});

describe("forms", () => {
  const post = (body: string): Promise<Answer> => {
    const { host } = new URL(dashboard.address);
    const headers = { origin: `http://${host}`, "content-type": "application/json" };
    return ask("/api/runs", { method: "POST", headers, body });
  };

  it("are checked by the settings' own schema before anything is started", async () => {
    const good = { model: "resnet-20", data: "cifar10", epochs: 1 };
    const bad: readonly (readonly [unknown, RegExp])[] = [
      [{ ...good, epochs: 0 }, /epochs/],
      [{ ...good, batch: 1.5 }, /batch/],
      [{ ...good, "gamma-neurons": -1 }, /"field":"gamma-neurons"/],
      [{ ...good, model: "resnet-21" }, /resnet-20/],
      [{ ...good, name: "../up" }, /name/],
      [{ ...good, "--out": "/tmp" }, /--out/],
      ["no form", /./],
    ];
    for (const [form, expected] of bad) {
      const { status, body } = await post(JSON.stringify(form));
      expect([form, status]).toEqual([form, 422]);
      expect(body).toMatch(expected);
      expect(body).not.toMatch(/ {4}at |node_modules/);
    }
    expect((await post("{")).status).toBe(400);
    expect((await post(JSON.stringify({ ...good, model: "x".repeat(20_000) }))).status).toBe(413);
  });

  it("tell why a run did not come about", async () => {
    const { name } = JSON.parse((await post('{"model":"resnet-20","data":"cifar10","epochs":1}')).body) as {
      name: string;
    };
    await expect
      .poll(async () => (await ask(`/api/started/${name}`)).body, { timeout: 60_000 })
      .toContain("exit code 3");
  });
});

describe("beyond this machine", () => {
  beforeEach(async () => {
    await dashboard.close();
    await open({ host: "0.0.0.0" });
  });

  it("asks for a token, and takes it as a bearer, or once in the address and then as a cookie", async () => {
    const token = new URL(dashboard.address).searchParams.get("token") ?? "";
    expect(token.length).toBeGreaterThanOrEqual(32);
    for (const path of ["/", "/api/runs", "/runs/synthetic/events.jsonl", "/?token=wrong"]) {
      expect([path, (await ask(path)).status]).toEqual([path, 401]);
    }
    expect((await ask("/api/runs", { headers: { authorization: `Bearer ${token}` } })).status).toBe(200);
    const welcome = await ask(`/?token=${token}`);
    expect([welcome.status, welcome.headers["location"]]).toEqual([303, "/"]);
    const cookie = String(welcome.headers["set-cookie"]);
    expect(cookie).toMatch(/HttpOnly/);
    expect(cookie).toMatch(/SameSite=Strict/);
    expect((await ask("/api/runs", { headers: { cookie: cookie.split(";")[0] ?? "" } })).status).toBe(200);
  });

  it("tells no paths of the machine in errors", async () => {
    const token = new URL(dashboard.address).searchParams.get("token") ?? "";
    await mkdir(join(runs, "broken", "checkpoints", "step-000001"), { recursive: true });
    await writeFile(join(runs, "broken", "events.jsonl"), "");
    await writeFile(join(runs, "broken", "network.onnx"), "no network");
    const { status, body } = await ask("/api/runs/broken/network", { headers: { authorization: `Bearer ${token}` } });
    expect(status).toBe(422);
    expect(body).not.toContain(root);
  });
});
