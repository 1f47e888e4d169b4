/** Writes the certificate into the run's folder and reports it. */
import { basename, join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { required } from "../../core/errors.ts";
import type { Certificate } from "../../evaluation/certificate.ts";
import { runtimeInstallCommand } from "../../evaluation/runtime-library.ts";
import { runFileError } from "../run-folder/file-errors.ts";
import { runFiles } from "../run-folder/run-folder.ts";
import type { RunWriter } from "../run-folder/run-writer.ts";

export async function reportCertificate(writer: RunWriter, certificate: Certificate): Promise<void> {
  const { folder, emitter } = writer;
  const path = join(folder, runFiles.certificate);
  // File names instead of paths: the folder may be moved.
  const files = certificate.files.map((file) => ({ ...file, path: basename(file.path) }));
  const text = `${JSON.stringify({ ...certificate, files }, undefined, 2)}\n`;
  await writer.write(() =>
    writeFileAtomic(path, text).catch((error: unknown) => {
      throw runFileError(error, path);
    }),
  );
  const { witness, onnxRuntime } = certificate;
  const [engine, beside] = certificate.comparisons.map(({ images, relativeDifference, sameAnswers, ties }) => ({
    images,
    figures: { relativeDifference, agreeing: sameAnswers + ties },
  }));
  const { images, figures: onFile } = required(beside, "the comparison on the exported file");
  emitter.emit({
    type: "certificate",
    passed: certificate.passed,
    images: certificate.images,
    ...required(engine, "the comparison in the engine").figures,
    runtime: { ...onFile, ...(onnxRuntime === undefined ? { name: witness, images } : {}) },
    path: runFiles.certificate,
  });
  if (onnxRuntime !== undefined) return;
  const instead = `${witness} has checked the exported file on ${images} images; latency was not measured`;
  emitter.emit({
    type: "notice",
    message: `ONNX Runtime is not installed. ${instead}. To install it, type: ${runtimeInstallCommand}`,
  });
}
