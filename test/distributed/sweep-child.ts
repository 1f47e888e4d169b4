/**
 * A rank of the tests: runs a sweep of a tiny network. Arguments: the sweep's folder, its plan, and changed options
 * ("turn": no runs in parallel; "slow": slow data). Rank 0 prints the reports of the runs, one a line.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { EspalierError } from "../../src/core/errors.ts";
import { isReportedElsewhere } from "../../src/distributed/failure.ts";
import { detectLaunch } from "../../src/distributed/launch.ts";
import { sweep } from "../../src/experiments/sweep.ts";
import { parsePlan } from "../../src/experiments/sweep-plan.ts";
import { tinyDataset } from "../training/tiny-network.ts";

const [folder = "", plan = "{}", manner = ""] = process.argv.slice(2);
const rank = detectLaunch()?.rank ?? 0;
mkdirSync(`${folder}.processes`, { recursive: true });
writeFileSync(`${folder}.processes/${rank}`, `${process.pid}`);
const dataset = tinyDataset(48, 20);
const stopping = new AbortController();
process.on("SIGUSR2", () => stopping.abort());
try {
  const { reports } = await sweep(parsePlan(JSON.parse(plan), "the plan"), {
    ...{ folder, data: { spec: "tiny", open: async () => dataset }, signal: stopping.signal },
    ...(manner === "turn" ? {} : { parallel: "runs" }),
    onRun: (report) => rank === 0 && console.log(JSON.stringify(report)),
    onEvent: ({ type, step }, name) => {
      if (rank === 0 && type === "checkpoint") console.log(JSON.stringify({ type, step, name }));
    },
  });
  console.log(JSON.stringify({ type: "end", rank, states: reports.map(({ name, state }) => `${name} ${state}`) }));
} catch (error) {
  if (!(error instanceof EspalierError)) throw error;
  if (!isReportedElsewhere(error)) console.error(error.message);
  process.exitCode = error.exitCode;
}
