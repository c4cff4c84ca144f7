"""Raw documents: read as a stream, and split into chunks that no formula is torn apart by.

options = Documents(tokenizer="tokenizer.json")
splitter = Splitter.of(options)
for document in read_documents(file_rows(path), options, skipped):
    chunks = splitter.split(document.id, document.text)
"""

from omi_core.documents.chunks import Splitter, joined
from omi_core.documents.document import Document, read_documents
from omi_core.documents.document_options import Documents

__all__ = ["Document", "Documents", "Splitter", "joined", "read_documents"]
