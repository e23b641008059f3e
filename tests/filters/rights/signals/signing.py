"""A certificate authority made on the spot, and small pictures and films that carry signed C2PA manifests."""

from __future__ import annotations

import datetime
import functools
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pytest
from PIL import Image

SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


class Authority(NamedTuple):
    """The root certificate and a leaf's chain and key, all PEM."""

    root: bytes
    chain: bytes
    key: bytes


@functools.cache
def authority() -> Authority:
    """A root and a leaf that c2pa accepts for signing, on P-256."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.datetime.now(datetime.UTC)

    def name(text: str) -> Any:
        parts = [(x509.NameOID.COUNTRY_NAME, "XX"), (x509.NameOID.ORGANIZATION_NAME, "Test")]
        return x509.Name([x509.NameAttribute(o, v) for o, v in (*parts, (x509.NameOID.COMMON_NAME, text))])

    def made(subject: str, issuer: str, public: Any, signer: Any, is_root: bool) -> Any:
        usage = {
            "digital_signature": not is_root, "content_commitment": False, "key_encipherment": False,
            "data_encipherment": False, "key_agreement": False, "key_cert_sign": is_root, "crl_sign": is_root,
            "encipher_only": False, "decipher_only": False,
        }  # fmt: skip
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name(issuer))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        )
        if not is_root:
            mail = x509.ExtendedKeyUsageOID.EMAIL_PROTECTION
            builder = builder.add_extension(x509.ExtendedKeyUsage([mail]), critical=False)
        return builder.sign(signer, hashes.SHA256())

    root_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = made("Test root", "Test root", root_key.public_key(), root_key, True)
    leaf = made("Test signer", "Test root", leaf_key.public_key(), root_key, False)
    pem = serialization.Encoding.PEM
    key = leaf_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Authority(root.public_bytes(pem), leaf.public_bytes(pem) + root.public_bytes(pem), key)


@functools.cache
def picture(kind: str = "JPEG") -> bytes:
    """A small picture without any metadata."""
    held = io.BytesIO()
    Image.fromarray(np.arange(48 * 64 * 3, dtype=np.uint32).astype(np.uint8).reshape(48, 64, 3)).save(held, kind)
    return held.getvalue()


@functools.cache
def film() -> bytes:
    """A small MP4 of three frames."""
    held = io.BytesIO()
    with av.open(held, "w", format="mp4") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 64, 48
        for level in (0, 100, 200):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return held.getvalue()


def training(label: str, **uses: str | dict[str, str]) -> dict[str, Any]:
    """A training-mining assertion: `training("cawg.training-mining", ai_training="notAllowed")`."""
    prefix = label.partition(".")[0]
    entries = {f"{prefix}.{k}": v if isinstance(v, dict) else {"use": v} for k, v in uses.items()}
    return {"label": label, "data": {"entries": entries}}


def signed(
    media: bytes, mime: str, *assertions: dict[str, Any], remote: str | None = None, source: str = SOURCE
) -> bytes:
    """Media with a manifest that holds some assertions, signed by the leaf of `authority`.

    Args:
        media: The media.
        mime: Its type.
        assertions: The assertions. One of actions takes the place of the one that says how the media was created.
        remote: Where the manifest is said to lie instead of in the media.
        source: The digital source type of the action that created the media.
    """
    c2pa = pytest.importorskip("c2pa")
    made = authority()
    context = c2pa.Context.from_dict({"builder": {"thumbnail": {"enabled": False}}, "verify": {"verify_trust": False}})
    created = {"action": "c2pa.created", "digitalSourceType": source}
    told = any(one["label"].startswith("c2pa.actions") for one in assertions)
    manifest = {
        "claim_generator_info": [{"name": "test", "version": "1"}],
        "assertions": [*([] if told else [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}]), *assertions],
    }
    builder = c2pa.Builder(json.dumps(manifest), context=context)
    if remote:
        builder.set_remote_url(remote)
        builder.set_no_embed()
    info = c2pa.C2paSignerInfo(alg=b"es256", sign_cert=made.chain, private_key=made.key, ta_url=None)
    out = io.BytesIO()
    builder.sign(c2pa.Signer.from_info(info), mime, io.BytesIO(media), out)
    return out.getvalue()


def trusted(folder: Path) -> str:
    """A PEM file of the root, as settings name it."""
    path = folder / "root.pem"
    path.write_bytes(authority().root)
    return str(path)
