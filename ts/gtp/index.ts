/**
 * Group text: numbered messages, history, catching up and attachments, as payloads in and payloads out.
 *
 * Keys and frames are the caller's business: `coterie/mls` has the first, `coterie/gbp` the second.
 *
 * @packageDocumentation
 */
export type { ErrorCode } from '../error-codes.js'
export { CoterieError } from '../errors.js'
export { PAYLOAD_CODECS } from '../gbp/codec.js'
export type { PayloadCodec, PayloadFormat } from '../gbp/codec.js'
export type { IncomingPayload } from '../gbp/incoming.js'
export type { AbortOptions } from '../internal/abort.js'
export { Cut, decodeChunk, decodeManifest, encodeChunk, encodeManifest } from './attachment.js'
export type { AttachmentKey, Chunk, CutOptions, Manifest, Progress, TakenOut } from './attachment.js'
export { RESYNC_CAPABILITY, TextClient } from './client.js'
export type {
  Asked,
  ClientHistoryLimits,
  Draft,
  ExpiredText,
  OutgoingText,
  ReceivedAttachment,
  ReceivedMessage,
  ReceivedPage,
  ReceivedRequest,
  ReceivedText,
  Replayed,
  TextClientOptions,
  TextVerdict,
} from './client.js'
export { History } from './history.js'
export type { HistoryLimits, Kept, Pushed, ReadonlyHistory } from './history.js'
export { CONTENT_TYPES, decodeText, encodeText, MessageFlags } from './message.js'
export type { ContentType, TextMessage, TextMessageInit, TextOrContent } from './message.js'
export { keptKey, keptMessage } from './rows.js'
export type { Row, RowChange } from './rows.js'
export { Watermark } from './watermark.js'
export type { ReadonlyWatermark } from './watermark.js'
