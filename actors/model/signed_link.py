"""The link of a question, as steps send it."""

from __future__ import annotations

import attrs

from actors.errors import ErrorCode, MisuseError
from actors.model.contexts import current_step
from journal.ids import InvocationId


@attrs.frozen
class SignedLink:
    """The link of a question that was asked with :func:`actors.ask`. Pass it to the step that sends it, which reads :attr:`url`.

    It is an ordinary value and not a secret: only :attr:`url` has the signature, so the history does not contain it unless a step
    returns it.
    """

    invocation_id: InvocationId
    question: str

    @property
    def url(self) -> str:
        """The URL, with which anyone may answer the question once, without a token.

        It begins with ``public_url`` of :func:`actors.open_runtime` or, without it, with the address of the server. Raises
        :class:`MisuseError` outside of a step, and if the runtime has neither.

        ::

            @step
            async def ask_by_mail(to: str, link: SignedLink) -> None:
                await send_mail(to, f"Please decide: {link.url}")
        """
        step = current_step.get()
        if step is None:
            raise MisuseError(
                "SignedLink.url works only in a step: the address is a credential, which a handler would record. Pass the link to "
                "the step that sends it, and read url there",
                code=ErrorCode.OUTSIDE_HANDLER,
            )
        signer = step.handler.links
        url = None if signer is None else signer.url(self.invocation_id, self.question)
        if url is None:
            raise MisuseError(
                "the link has no address: this runtime does not know the URL of its server. Give open_runtime() a "
                "public_url=, such as 'https://objects.example.com', or serve=",
                code=ErrorCode.NOT_POSSIBLE,
            )
        return url
