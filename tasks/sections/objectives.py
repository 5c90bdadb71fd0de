"""What a reward model is trained to do: to rank, and beside it to tell representations apart, or to look ahead."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tasks.settings import Section


class Ranking(Section):
    """Bradley-Terry's loss alone."""

    kind: Literal["ranking"]


class Contrast(Section):
    """Beside the ranking a contrastive loss (Wang et al. 2024, arXiv 2401.06080, section 3.1)."""

    weight: Annotated[float, Field(ge=0, description="of the contrastive loss; the paper's beta")]
    of: Annotated[
        Literal["pairs", "differences"],
        Field(description="representations of chosen and rejected, or their differences both ways"),
    ]
    dropout: Annotated[
        float, Field(gt=0, lt=1, description="of the embeddings, drawn anew in each of two passes")
    ]
    temperature: Annotated[float, Field(gt=0, description="of cosines; smaller tells nearer rows apart")]


class Simcse(Contrast):
    """Each row is told from the others of its batch (Gao et al. 2021, arXiv 2104.08821)."""

    kind: Literal["simcse"]


class Swav(Contrast):
    """Each pass foretells the prototypes of the other (Caron et al. 2020, arXiv 2006.09882)."""

    kind: Literal["swav"]
    prototypes: Annotated[int, Field(ge=2, description="directions that are learned beside the model")]
    sharpness: Annotated[float, Field(gt=0, description="epsilon of the assignment; smaller is sharper")]
    rate: Annotated[float, Field(gt=0, description="learning rate of the prototypes: plain gradient steps")]


class Meta(Section):
    """MetaRM: the ranking's gradient one step up the spread of candidates' rewards (section 3.2 there)."""

    kind: Literal["meta"]
    step: Annotated[
        float, Field(ge=0, description="length of the step, the paper's eta; 0 is the ranking alone")
    ]


Objective = Annotated[Ranking | Simcse | Swav | Meta, Field(discriminator="kind")]
