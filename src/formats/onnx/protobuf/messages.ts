/** The messages of an ONNX file. Generated from onnx.proto by `node scripts/generate-protobuf.mjs`; do not edit. */

export interface ModelProto {
  irVersion?: number | undefined;
  producerName?: string | undefined;
  producerVersion?: string | undefined;
  domain?: string | undefined;
  modelVersion?: number | undefined;
  docString?: string | undefined;
  graph?: GraphProto | undefined;
  opsetImport?: OperatorSetIdProto[] | undefined;
  metadataProps?: StringStringEntryProto[] | undefined;
}

export interface OperatorSetIdProto {
  domain?: string | undefined;
  version?: number | undefined;
}

export interface StringStringEntryProto {
  key?: string | undefined;
  value?: string | undefined;
}

export interface GraphProto {
  node?: NodeProto[] | undefined;
  name?: string | undefined;
  initializer?: TensorProto[] | undefined;
  docString?: string | undefined;
  input?: ValueInfoProto[] | undefined;
  output?: ValueInfoProto[] | undefined;
  valueInfo?: ValueInfoProto[] | undefined;
  sparseInitializer?: SparseTensorProto[] | undefined;
}

export interface NodeProto {
  input?: string[] | undefined;
  output?: string[] | undefined;
  name?: string | undefined;
  opType?: string | undefined;
  attribute?: AttributeProto[] | undefined;
  domain?: string | undefined;
}

export interface AttributeProto {
  name?: string | undefined;
  f?: number | undefined;
  i?: number | undefined;
  s?: Uint8Array | undefined;
  t?: TensorProto | undefined;
  g?: Uint8Array | undefined;
  floats?: number[] | undefined;
  ints?: number[] | undefined;
  strings?: Uint8Array[] | undefined;
  graphs?: Uint8Array[] | undefined;
  type?: number | undefined;
}

export interface TensorProto {
  dims?: number[] | undefined;
  dataType?: number | undefined;
  floatData?: number[] | undefined;
  int32Data?: number[] | undefined;
  int64Data?: number[] | undefined;
  name?: string | undefined;
  rawData?: Uint8Array | undefined;
  doubleData?: number[] | undefined;
  uint64Data?: number[] | undefined;
  externalData?: StringStringEntryProto[] | undefined;
  dataLocation?: number | undefined;
}

export interface SparseTensorProto {
  values?: TensorProto | undefined;
  indices?: TensorProto | undefined;
  dims?: number[] | undefined;
}

export interface ValueInfoProto {
  name?: string | undefined;
  type?: TypeProto | undefined;
}

export interface TypeProto {
  tensorType?: TensorTypeProto | undefined;
}

export interface TensorTypeProto {
  elemType?: number | undefined;
  shape?: TensorShapeProto | undefined;
}

export interface TensorShapeProto {
  dim?: DimensionProto[] | undefined;
}

export interface DimensionProto {
  dimValue?: number | undefined;
  dimParam?: string | undefined;
}

export interface RawModelProto {
  graph?: Uint8Array | undefined;
  functions?: Uint8Array[] | undefined;
}

export interface RawGraphProto {
  node?: Uint8Array[] | undefined;
  initializer?: Uint8Array[] | undefined;
  input?: Uint8Array[] | undefined;
  output?: Uint8Array[] | undefined;
}

export interface RawNodeProto {
  input?: string[] | undefined;
  output?: string[] | undefined;
  name?: string | undefined;
  opType?: string | undefined;
  attribute?: Uint8Array[] | undefined;
  docString?: string | undefined;
  domain?: string | undefined;
  overload?: string | undefined;
  metadataProps?: Uint8Array[] | undefined;
}

export interface RawAttributeProto {
  name?: string | undefined;
  g?: Uint8Array | undefined;
  ints?: number[] | undefined;
  graphs?: Uint8Array[] | undefined;
}

/** Every message by its name. */
export interface Messages {
  ModelProto: ModelProto;
  OperatorSetIdProto: OperatorSetIdProto;
  StringStringEntryProto: StringStringEntryProto;
  GraphProto: GraphProto;
  NodeProto: NodeProto;
  AttributeProto: AttributeProto;
  TensorProto: TensorProto;
  SparseTensorProto: SparseTensorProto;
  ValueInfoProto: ValueInfoProto;
  TypeProto: TypeProto;
  TensorTypeProto: TensorTypeProto;
  TensorShapeProto: TensorShapeProto;
  DimensionProto: DimensionProto;
  RawModelProto: RawModelProto;
  RawGraphProto: RawGraphProto;
  RawNodeProto: RawNodeProto;
  RawAttributeProto: RawAttributeProto;
}
