/** Options that may be left out, handed on as they came. */

/** An option to pass on, or nothing if it was not given. */
export function optional<K extends string, V>(name: K, value: V | undefined): { readonly [Name in K]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [Name in K]?: V };
}
