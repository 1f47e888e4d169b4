import { expect, test } from "vitest";
import { summaryRows } from "../../src/report/summary.ts";

const network = { accuracy: 90, macs: 100, parameters: 50, bytes: 400, latencyMilliseconds: null };

test("the network on integers has a row for its score and its size, whatever the score is", () => {
  const labels = { exactMatch: 70, f1: 80 };
  const names = [network, { ...network, labels }].map((own) =>
    summaryRows(own, own, { ...own, accuracy: 89 })
      .filter(({ name }) => name.endsWith("INT8"))
      .map(({ name, after }) => `${name}: ${after}`),
  );
  expect(names).toEqual([
    ["Test accuracy, INT8: 89.00 %", "ONNX file, INT8: 400 B"],
    ["Mean average precision, INT8: 89.00 %", "ONNX file, INT8: 400 B"],
  ]);
});
