//! Attachments: what they are, and their pieces.

use super::flat::Slot::{self, Bytes, Text, U32, U64};
use super::{Fields, PayloadError, decode, encode, flat_root};
use crate::cbor::{Reader, Writer};
use crate::generated::flat_buffers::stack as flat;
use crate::generated::protobuf as fields;
use crate::limits::{MAX_FILENAME, MAX_MIME};
use crate::{Codec, Malformed, PayloadFormat};

/// An attachment, among all that its sender has sent.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AttachmentId(u64);

/// SHA-256 of an attachment's data.
pub type Digest = [u8; 32];

/// What an attachment is, sent before its pieces. The name is the sender's: it is never a path to write to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Manifest {
    id: AttachmentId,
    filename: String,
    mime_type: String,
    size: u64,
    chunks: u32,
    digest: Digest,
}

/// A piece of an attachment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chunk {
    id: AttachmentId,
    index: u32,
    chunks: u32,
    data: Vec<u8>,
}

impl AttachmentId {
    /// The attachment with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl Manifest {
    /// A manifest of `size` bytes in `chunks` pieces, none of them empty.
    ///
    /// # Errors
    /// When there are more pieces than bytes, or bytes and no piece; when the name or the type is too long.
    pub fn new(
        id: AttachmentId,
        filename: &str,
        mime_type: &str,
        (size, chunks): (u64, u32),
        digest: Digest,
    ) -> Result<Self, PayloadError> {
        if filename.len() > MAX_FILENAME || mime_type.len() > MAX_MIME {
            return Err(Malformed::TooLong.into());
        }
        if u64::from(chunks) > size || (chunks == 0 && size > 0) {
            return Err(PayloadError::Attachment);
        }
        let (filename, mime_type) = (filename.to_owned(), mime_type.to_owned());
        Ok(Self { id, filename, mime_type, size, chunks, digest })
    }

    /// Which attachment.
    #[must_use]
    pub const fn id(&self) -> AttachmentId {
        self.id
    }

    /// The sender's name for it.
    #[must_use]
    pub fn filename(&self) -> &str {
        &self.filename
    }

    /// The sender's word for its type.
    #[must_use]
    pub fn mime_type(&self) -> &str {
        &self.mime_type
    }

    /// Bytes of the whole, as announced.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Pieces, as announced: none of a size of zero, and never more than bytes.
    #[must_use]
    pub const fn chunks(&self) -> u32 {
        self.chunks
    }

    /// SHA-256 of the whole.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The manifest's bytes. Deployed peers know it in CBOR only.
    ///
    /// # Errors
    /// None today; the limit is the payload's.
    pub fn encode(&self, codec: Codec) -> Result<Vec<u8>, PayloadError> {
        let fields = fields::Manifest {
            attachment_id: self.id.0,
            filename: self.filename.clone(),
            mime_type: self.mime_type.clone(),
            total_size: self.size,
            chunk_count: self.chunks,
            sha256: Vec::new(),
        };
        encode(codec, fields, &self.digest)
    }

    /// The manifest in `bytes`.
    ///
    /// # Errors
    /// When they are none, or it contradicts itself.
    pub fn decode(format: PayloadFormat, bytes: &[u8]) -> Result<Self, PayloadError> {
        let fields: fields::Manifest = decode(format, bytes)?;
        let digest = Digest::try_from(fields.sha256.as_slice()).map_err(|_| Malformed::OutOfRange)?;
        let extent = (fields.total_size, fields.chunk_count);
        Self::new(AttachmentId(fields.attachment_id), &fields.filename, &fields.mime_type, extent, digest)
    }
}

impl Chunk {
    /// The piece at `index` of `chunks`.
    ///
    /// # Errors
    /// When there is no such index, or the piece is empty.
    pub fn new(id: AttachmentId, index: u32, chunks: u32, data: Vec<u8>) -> Result<Self, PayloadError> {
        if index >= chunks || data.is_empty() {
            return Err(PayloadError::Attachment);
        }
        Ok(Self { id, index, chunks, data })
    }

    /// Which attachment.
    #[must_use]
    pub const fn id(&self) -> AttachmentId {
        self.id
    }

    /// Its place, from zero.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// Pieces of the whole.
    #[must_use]
    pub const fn chunks(&self) -> u32 {
        self.chunks
    }

    /// The piece itself.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The piece's bytes. Deployed peers know it in CBOR only.
    ///
    /// # Errors
    /// When it is above the limit.
    pub fn encode(&self, codec: Codec) -> Result<Vec<u8>, PayloadError> {
        let fields = fields::Chunk {
            attachment_id: self.id.0,
            chunk_index: self.index,
            chunk_count: self.chunks,
            data: Vec::new(),
        };
        encode(codec, fields, &self.data)
    }

    /// The piece itself, taken out of what is around it.
    #[must_use]
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// The piece in `bytes`.
    ///
    /// # Errors
    /// When they are none.
    pub fn decode(format: PayloadFormat, bytes: &[u8]) -> Result<Self, PayloadError> {
        let fields: fields::Chunk = decode(format, bytes)?;
        Self::new(AttachmentId(fields.attachment_id), fields.chunk_index, fields.chunk_count, fields.data)
    }
}

const MANIFEST: &[&str] = &["aid", "name", "mime", "size", "nc", "hash"];
const CHUNK: &[&str] = &["aid", "idx", "nc", "data"];

impl Fields for fields::Manifest {
    const SLOTS: &'static [Slot] = &[U64, Text, Text, U64, U32, Bytes];

    fn read_cbor(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut fields = Self::default();
        reader.record(MANIFEST, MANIFEST.len(), |key, reader| {
            match key {
                "aid" => fields.attachment_id = reader.unsigned()?,
                "name" => fields.filename = reader.text_within(MAX_FILENAME)?.to_owned(),
                "mime" => fields.mime_type = reader.text_within(MAX_MIME)?.to_owned(),
                "size" => fields.total_size = reader.unsigned()?,
                "nc" => fields.chunk_count = reader.unsigned()?,
                _ => fields.sha256 = reader.bytes()?.to_vec(),
            }
            Ok(())
        })?;
        Ok(fields)
    }

    fn write_cbor(&self, body: u32, writer: &mut Writer) {
        writer.map(MANIFEST.len()).text("aid").unsigned(self.attachment_id);
        writer.text("name").text(&self.filename).text("mime").text(&self.mime_type);
        writer.text("size").unsigned(self.total_size).text("nc").unsigned(self.chunk_count);
        writer.text("hash").bytes_ahead(body);
    }

    fn body(&mut self) -> &mut Vec<u8> {
        &mut self.sha256
    }

    fn read_flat(bytes: &[u8]) -> planus::Result<Self> {
        let table = <flat::ManifestRef<'_> as planus::ReadAsRoot>::read_as_root(bytes)?;
        Ok(Self {
            attachment_id: table.attachment_id()?,
            filename: table.filename()?.unwrap_or_default().to_owned(),
            mime_type: table.mime_type()?.unwrap_or_default().to_owned(),
            total_size: table.total_size()?,
            chunk_count: table.chunk_count()?,
            sha256: table.sha256()?.unwrap_or_default().to_vec(),
        })
    }

    fn write_flat(self) -> Vec<u8> {
        flat_root(flat::Manifest {
            attachment_id: self.attachment_id,
            filename: Some(self.filename),
            mime_type: Some(self.mime_type),
            total_size: self.total_size,
            chunk_count: self.chunk_count,
            sha256: Some(self.sha256),
        })
    }
}

impl Fields for fields::Chunk {
    const SLOTS: &'static [Slot] = &[U64, U32, U32, Bytes];

    fn read_cbor(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut fields = Self::default();
        reader.record(CHUNK, CHUNK.len(), |key, reader| {
            match key {
                "aid" => fields.attachment_id = reader.unsigned()?,
                "idx" => fields.chunk_index = reader.unsigned()?,
                "nc" => fields.chunk_count = reader.unsigned()?,
                _ => fields.data = reader.bytes()?.to_vec(),
            }
            Ok(())
        })?;
        Ok(fields)
    }

    fn write_cbor(&self, body: u32, writer: &mut Writer) {
        writer.map(CHUNK.len()).text("aid").unsigned(self.attachment_id);
        writer.text("idx").unsigned(self.chunk_index).text("nc").unsigned(self.chunk_count);
        writer.text("data").bytes_ahead(body);
    }

    fn body(&mut self) -> &mut Vec<u8> {
        &mut self.data
    }

    fn read_flat(bytes: &[u8]) -> planus::Result<Self> {
        let table = <flat::ChunkRef<'_> as planus::ReadAsRoot>::read_as_root(bytes)?;
        Ok(Self {
            attachment_id: table.attachment_id()?,
            chunk_index: table.chunk_index()?,
            chunk_count: table.chunk_count()?,
            data: table.data()?.unwrap_or_default().to_vec(),
        })
    }

    fn write_flat(self) -> Vec<u8> {
        flat_root(flat::Chunk {
            attachment_id: self.attachment_id,
            chunk_index: self.chunk_index,
            chunk_count: self.chunk_count,
            data: Some(self.data),
        })
    }
}
