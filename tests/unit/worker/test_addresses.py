from comfyfleet.worker.addresses import bare


def test_a_signature_is_not_shown() -> None:
    signed = "https://user:secret@s3.example.com:9000/media/t/a.mp4?X-Amz-Signature=abc&x=1#part"
    assert bare(signed) == "https://s3.example.com:9000/media/t/a.mp4"
