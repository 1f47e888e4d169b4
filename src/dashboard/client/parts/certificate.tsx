/** The certificate: measured differences between the networks before and after pruning. */
import { formatCount, formatSmall } from "../../../report/format.ts";
import type { CertificateMeasured } from "../../../training/events/events.ts";

export function Certificate({ certificate }: { readonly certificate: CertificateMeasured | null }) {
  if (certificate === null) return <p class="certificate soft">The certificate is measured at the end of the run.</p>;
  const { passed, images, agreeing, relativeDifference, runtime } = certificate;
  return (
    <div class="card certificate">
      <p class={passed ? "verdict" : "verdict bad"}>
        {passed ? "✓ Pruning changed no answer" : "✗ The pruned network differs"}
      </p>
      <dl>
        <dt>same answers</dt>
        <dd>
          {formatCount(agreeing)} of {formatCount(images)}
        </dd>
        <dt>largest |Δlogit| / range</dt>
        <dd>{formatSmall(relativeDifference)}</dd>
        <dt>same in {runtime.name ?? "ONNX Runtime"}</dt>
        <dd>
          {formatCount(runtime.agreeing)} of {formatCount(runtime.images ?? images)}
        </dd>
        <dt>largest |Δlogit| / range</dt>
        <dd>{formatSmall(runtime.relativeDifference)}</dd>
      </dl>
    </div>
  );
}
